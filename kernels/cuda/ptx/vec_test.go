package ptx

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAssemblyEqualsPortableBitForBit calls both versions of every vector function
// with random bits, special numbers and equal operands.
func TestAssemblyEqualsPortableBitForBit(t *testing.T) {
	if reflect.ValueOf(vec.add32).Pointer() == reflect.ValueOf(portable.add32).Pointer() {
		t.Skip("no vector instructions on this machine")
	}
	special := []uint32{0, negative, one, tiny, largest, inf, 0xff800000, 0x7fc00001, 0xffffffff, 31, 32, 33, 63, 64}
	r := rand.New(rand.NewPCG(1, 2))
	operand := func() uint32 {
		if r.IntN(3) == 0 {
			return special[r.IntN(len(special))]
		}
		return r.Uint32()
	}
	fast, slow := vec, portable
	for i := range reflect.TypeFor[vectors]().NumField() {
		name := reflect.TypeFor[vectors]().Field(i).Name
		for range 300 {
			a := arbitraryArguments(field(&fast, i).Type(), operand)
			b := make([]reflect.Value, len(a))
			for k := range a {
				b[k] = a[k]
				if k > 0 && a[k] == a[k-1] {
					b[k] = b[k-1]
				} else if a[k].Kind() == reflect.Pointer {
					b[k] = reflect.New(a[k].Type().Elem())
					b[k].Elem().Set(a[k].Elem())
				}
			}
			got, want := field(&fast, i).Call(a), field(&slow, i).Call(b)
			for k := range got {
				require.Equal(t, want[k].Interface(), got[k].Interface(), "%s, result %d", name, k)
			}
			for k := range a {
				require.Equal(t, b[k].Interface(), a[k].Interface(), "%s, argument %d", name, k)
			}
		}
	}
}

// field returns function i of v.
func field(v *vectors, i int) reflect.Value {
	f := reflect.ValueOf(v).Elem().Field(i)
	return reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem()
}

// arbitraryArguments makes arguments for a function of type f; now and then
// neighbours are the same vector, the result and an operand too.
func arbitraryArguments(f reflect.Type, operand func() uint32) []reflect.Value {
	var out []reflect.Value
	for k := range f.NumIn() {
		if k > 0 && f.In(k) == f.In(k-1) && operand()%4 == 0 {
			out = append(out, out[k-1])
			continue
		}
		v := reflect.New(f.In(k)).Elem()
		if v.Kind() == reflect.Uint64 {
			v.SetUint(uint64(operand()))
		} else {
			v.Set(reflect.New(v.Type().Elem()))
			for l := range 32 {
				switch lane := v.Elem().Index(l); lane.Kind() {
				case reflect.Uint64:
					lane.SetUint(uint64(operand())<<32&-uint64(operand()&1) | uint64(operand()))
				case reflect.Int32:
					lane.SetInt(int64(int32(operand())))
				default:
					lane.SetUint(uint64(operand()))
				}
			}
		}
		out = append(out, v)
	}
	return out
}

func TestShapeIsKnownAgainAfterAMove(t *testing.T) {
	for _, v := range []vectors{vec, portable} {
		var off, shape [32]int32
		for l := range off {
			shape[l] = int32(l * l)
			off[l] = shape[l] + 4096
		}
		require.True(t, v.sameShape(&off, &shape))
		for l := 1; l < 32; l++ {
			moved := off
			moved[l] += 4
			require.False(t, v.sameShape(&moved, &shape), "lane %d", l)
		}
	}
}
