package eval

import (
	"reflect"

	"github.com/dop251/goja/file"
)

// walk visits x and everything below it, outer before inner, each node once: the engine's trees name some declarations
// twice. Where enter returns false, what is below is left out. How deep it goes is bounded by MaxStack, as for the parser.
func walk(x any, seen map[any]bool, enter func(node any) bool) {
	w := walker{seen, enter}
	w.visit(reflect.ValueOf(x))
}

type walker struct {
	seen  map[any]bool
	enter func(node any) bool
}

func (w walker) visit(x reflect.Value) {
	switch x.Kind() {
	case reflect.Interface:
		if !x.IsNil() {
			w.visit(x.Elem())
		}
	case reflect.Slice:
		for i := range x.Len() {
			w.visit(x.Index(i))
		}
	case reflect.Struct:
		for i := range x.NumField() {
			if x.Type().Field(i).IsExported() {
				w.visit(x.Field(i))
			}
		}
	case reflect.Pointer:
		if x.IsNil() || w.seen[x.Interface()] {
			return
		}
		w.seen[x.Interface()] = true
		if _, ok := x.Interface().(*file.File); ok || !w.enter(x.Interface()) {
			return
		}
		if x.Elem().Kind() == reflect.Struct {
			w.visit(x.Elem())
		}
	}
}
