package build

import (
	"encoding/json"
	"fmt"
)

// convert turns a part of the spec, which is of an API type, into the apply configuration of the same type. Both are the same
// JSON, so that it cannot fail but by a wrong pair of types.
func convert[T any](from any) *T {
	to := new(T)
	encoded, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(encoded, to)
	}
	if err != nil {
		panic(fmt.Sprintf("%T does not convert to %T: %v", from, to, err))
	}
	return to
}

// convertAll is convert for a list.
func convertAll[T, F any](from []F) []*T {
	all := make([]*T, 0, len(from))
	for i := range from {
		all = append(all, convert[T](from[i]))
	}
	return all
}

// overlay joins a part of the spec, field by field, onto the operator's: what is set in theirs holds.
func overlay[T any](ours *T, theirs any) *T {
	return convert[T](merge(*convert[map[string]any](ours), *convert[map[string]any](theirs)))
}

// merge joins two decoded objects: what is set in over holds. A list is one value.
func merge(base, over map[string]any) map[string]any {
	merged := make(map[string]any, len(base)+len(over))
	for key, value := range base {
		merged[key] = value
	}
	for key, value := range over {
		inner, isObject := value.(map[string]any)
		below, wasObject := merged[key].(map[string]any)
		if isObject && wasObject {
			value = merge(below, inner)
		}
		merged[key] = value
	}
	return merged
}

// valueOr is what a pointer leads to, where it leads anywhere.
func valueOr[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
