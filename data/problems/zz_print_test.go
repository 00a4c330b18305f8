package problems
import ("testing";"fmt";"os";"strings")
func TestPrint(t *testing.T){
 if os.Getenv("PRINT")=="" {t.Skip()}
 for _, k := range strings.Split(os.Getenv("PRINT"),",") {
 c:=Default(); if k=="demo" {c=Demo()} else if k!="all" {c.KindWeights=map[string]float64{k:1}}
 c.WrongStep, c.CutOff, c.WrongAnswer = 0.1,0.05,0.05
 if k=="demo" {c.WrongStep=0}
 g,err:=New(c); if err!=nil {t.Fatal(err)}
 for i:=0;i<9;i++ { p:=g.Problem(i); fmt.Printf("--- %s steps=%d err=%s/%s@%d true=%s\n%s\n", p.Kind,p.NumSteps,p.Error,p.ErrorKind,p.ErrorStep,p.TrueAnswer,p.Question); fmt.Println(p.Pair().Text()); for _,q:=range p.Subquestions {fmt.Printf("   ? %s [%g]\n",q.Question,*q.Usefulness)} } }
}
