package cuda

// Owed names the methods of kernels.Backend that this backend lacks: conformance skips
// them by name. It is empty whenever an issue closes.
var Owed []string
