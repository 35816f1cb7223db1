package build

import (
	"encoding/json"
	"fmt"
)

// overlay joins a part of the spec, which is of an API type, onto the operator's apply configuration of the same type: what is set
// in theirs holds, field by field. Both are the same JSON, so that it cannot fail but by a wrong pair of types.
func overlay[T any](ours *T, theirs any) *T {
	encoded, err := json.Marshal(theirs)
	if err == nil {
		err = json.Unmarshal(encoded, ours)
	}
	if err != nil {
		panic(fmt.Sprintf("%T does not go onto %T: %v", theirs, ours, err))
	}
	return ours
}

// convert turns a part of the spec into the apply configuration of the same type.
func convert[T any](from any) *T { return overlay(new(T), from) }

// convertAll is convert for a list.
func convertAll[T, F any](from []F) []*T {
	all := make([]*T, 0, len(from))
	for i := range from {
		all = append(all, convert[T](from[i]))
	}
	return all
}

// valueOr is what a pointer leads to, where it leads anywhere.
func valueOr[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
