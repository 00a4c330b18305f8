package gemm
import ("testing";"runtime";"syscall";"fmt";"math";"os";"retort/kernels/cpu/parallel")
func cpu() float64 { var r syscall.Rusage; syscall.Getrusage(1,&r); return float64(r.Utime.Sec)+float64(r.Utime.Usec)*1e-6+float64(r.Stime.Sec)+float64(r.Stime.Usec)*1e-6 }
func TestZZ(t *testing.T){
 if os.Getenv("ZZ")=="" { t.Skip() }
 runtime.LockOSThread()
 pool:=parallel.New(1)
 prods:=[]*product{}
 ss:=append(shapes[:0:0], shapes...)
 ss=append(ss, struct{name string; m,n,k int; transA,transB bool}{"headdx",256,576,49152,false,false}, struct{name string; m,n,k int; transA,transB bool}{"headdw",49152,576,256,true,false})
 for _,s:=range ss { prods=append(prods,newProduct(1,s.m,s.n,s.k,s.transA,s.transB,false,0)) }
 sum:=map[string]float64{}
 for i,s:=range ss { p:=prods[i]
  for _,name:=range []string{"avx2","avx512"} {
   for _,mode:=range []int{1} {
   _=mode
   g:=newGEMM(pool,kernels[name])
   g.Mul(p.c,p.ldc,p.m,p.n,p.k,p.a,p.b,false)
   best:=math.MaxFloat64
   for range 5 { a:=cpu(); reps:=1; if s.n<10000 && s.m<10000 && s.k<10000 {reps=2}; for range reps { g.Mul(p.c,p.ldc,p.m,p.n,p.k,p.a,p.b,false) }; best=min(best,(cpu()-a)/float64(reps)) }
   rate:=2*float64(s.m)*float64(s.n)*float64(s.k)/best/1e9
   if mode<2 { fmt.Printf("%s %dx%dx%d %s mode%d %.1f\n",s.name,s.m,s.n,s.k,name,mode,rate)
   sum[fmt.Sprint(name,mode)]+=math.Log(rate) }
   
   }
  }
 }
 for k,v:=range sum { fmt.Println(k, math.Exp(v/float64(len(ss)))) }
}
