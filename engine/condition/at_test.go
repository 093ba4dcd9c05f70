package condition

import (
	"reflect"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// What is put elsewhere has everything that it was compiled to: a field that is added to Condition can't be forgotten.
func TestAt_forgetsNothing(t *testing.T) {
	env, err := New(Options{Arguments: true})
	if err != nil {
		t.Fatal(err)
	}
	vs := env.NewVariables(false)
	if ds := vs.Add("v", source.NewText(`args.path`)); len(ds) > 0 {
		t.Fatal(ds)
	}
	c, ds := env.Compile(source.NewText(`args.limit == 1`), Bool, vs)
	if c == nil {
		t.Fatal(ds)
	}
	text := source.NewText(`args.limit == 1`)
	other := env.NewVariables(false)
	moved := c.At(text, other)
	if moved.variables != other || moved == c {
		t.Error("it has not been put elsewhere")
	}
	of := []*Condition{c, vs.Last()} // a condition, and a value of the arguments
	for _, c := range of {
		was, is := reflect.ValueOf(c).Elem(), reflect.ValueOf(c.At(text, other)).Elem()
		for i := range was.NumField() {
			if name := was.Type().Field(i).Name; name != "traced" && name != "trace" && was.Field(i).IsZero() != is.Field(i).IsZero() {
				t.Errorf("%s is lost", name)
			}
		}
	}
}
