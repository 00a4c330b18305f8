package gemm
var noKeep bool
var blockSteal int
