package main

import "strings"

// The demo service, as all peers have it.

var nothing = structure()

var textStruct = structure(field{1, "text", text})

var record = structure(
	field{1, "text", text},
	field{2, "number", i32},
	field{3, "flag", boolean},
	field{4, "numbers", list(i64)},
	field{5, "counts", dict(text, i32)},
	field{6, "ratio", double},
	field{7, "blob", blob},
	field{8, "tiny", i8},
	field{9, "small", i16},
	field{10, "few", set(i32)},
	field{11, "nested", dict(i16, list(textStruct))},
	field{20, "flags", list(boolean)},
	field{21, "none", dict(text, i64)},
	field{22, "nobody", list(i16)},
)

// method is what the IDL says of one; a one-way method has no result.
type method struct {
	arguments, result *kind
}

var methods = map[string]method{
	"echo":    {structure(field{1, "record", record}), structure(field{0, "success", record})},
	"touch":   {nothing, nothing},
	"note":    {textStruct, nil},
	"fail":    {textStruct, structure(field{1, "failure", textStruct})},
	"crash":   {nothing, nothing},
	"headers": {nothing, structure(field{0, "success", dict(text, text)})},
	"sleep": {
		structure(field{1, "milliseconds", i32}, field{2, "text", text}),
		structure(field{0, "success", text}),
	},
}

// example is a record whose text has `size` bytes more.
func example(size int) values {
	bytes := make([]byte, 256)
	for i := range bytes {
		bytes[i] = byte(i)
	}
	var flags []any
	for range 10 {
		flags = append(flags, true, false)
	}
	return values{
		"text":    "zoë 你好 " + strings.Repeat("x", size),
		"number":  int32(-5),
		"flag":    true,
		"numbers": []any{int64(1), int64(-1), int64(1) << 62, int64(-1) << 63},
		"counts":  map[any]any{"a": int32(1), "": int32(-1)},
		"ratio":   -0.5,
		"blob":    bytes,
		"tiny":    int8(-128),
		"small":   int16(-300),
		"few":     []any{int32(7)},
		"nested":  map[any]any{int16(-2): []any{values{"text": "deep"}, values{}}},
		"flags":   flags,
		"none":    map[any]any{},
		"nobody":  []any{},
	}
}
