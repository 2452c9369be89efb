package main

import (
	"context"
	"fmt"

	"github.com/apache/thrift/lib/go/thrift"
)

// kind is the type of a value. Structs are read and written by it, as generated code would.
type kind struct {
	wire   thrift.TType
	binary bool    // bytes rather than text
	key    *kind   // of a map
	value  *kind   // of a map, list or set
	fields []field // of a struct
}

type field struct {
	id   int16
	name string
	kind *kind
}

// values are the fields of a struct that are there.
type values map[string]any

var (
	boolean = &kind{wire: thrift.BOOL}
	i8      = &kind{wire: thrift.I08}
	i16     = &kind{wire: thrift.I16}
	i32     = &kind{wire: thrift.I32}
	i64     = &kind{wire: thrift.I64}
	double  = &kind{wire: thrift.DOUBLE}
	text    = &kind{wire: thrift.STRING}
	blob    = &kind{wire: thrift.STRING, binary: true}
)

func list(of *kind) *kind      { return &kind{wire: thrift.LIST, value: of} }
func set(of *kind) *kind       { return &kind{wire: thrift.SET, value: of} }
func dict(key, of *kind) *kind { return &kind{wire: thrift.MAP, key: key, value: of} }

func structure(fields ...field) *kind { return &kind{wire: thrift.STRUCT, fields: fields} }

// instance is a struct of some kind.
type instance struct {
	kind   *kind
	values values
}

func (i *instance) Write(ctx context.Context, out thrift.TProtocol) error {
	return i.kind.writeStruct(ctx, out, i.values)
}

func (i *instance) Read(ctx context.Context, in thrift.TProtocol) (err error) {
	i.values, err = i.kind.readStruct(ctx, in)
	return err
}

func (k *kind) writeStruct(ctx context.Context, out thrift.TProtocol, from values) error {
	if err := out.WriteStructBegin(ctx, "struct"); err != nil {
		return err
	}
	for _, field := range k.fields {
		value, there := from[field.name]
		if !there {
			continue
		}
		if err := out.WriteFieldBegin(ctx, field.name, field.kind.wire, field.id); err != nil {
			return err
		}
		if err := field.kind.write(ctx, out, value); err != nil {
			return err
		}
		if err := out.WriteFieldEnd(ctx); err != nil {
			return err
		}
	}
	if err := out.WriteFieldStop(ctx); err != nil {
		return err
	}
	return out.WriteStructEnd(ctx)
}

func (k *kind) write(ctx context.Context, out thrift.TProtocol, value any) error {
	switch value := value.(type) {
	case bool:
		return out.WriteBool(ctx, value)
	case int8:
		return out.WriteByte(ctx, value)
	case int16:
		return out.WriteI16(ctx, value)
	case int32:
		return out.WriteI32(ctx, value)
	case int64:
		return out.WriteI64(ctx, value)
	case float64:
		return out.WriteDouble(ctx, value)
	case string:
		return out.WriteString(ctx, value)
	case []byte:
		return out.WriteBinary(ctx, value)
	case values:
		return k.writeStruct(ctx, out, value)
	case []any:
		return k.writeElements(ctx, out, value)
	case map[any]any:
		return k.writeMap(ctx, out, value)
	}
	return fmt.Errorf("no type of Thrift has the value %v", value)
}

func (k *kind) writeElements(ctx context.Context, out thrift.TProtocol, value []any) error {
	begin, end := out.WriteListBegin, out.WriteListEnd
	if k.wire == thrift.SET {
		begin, end = out.WriteSetBegin, out.WriteSetEnd
	}
	if err := begin(ctx, k.value.wire, len(value)); err != nil {
		return err
	}
	for _, element := range value {
		if err := k.value.write(ctx, out, element); err != nil {
			return err
		}
	}
	return end(ctx)
}

func (k *kind) writeMap(ctx context.Context, out thrift.TProtocol, value map[any]any) error {
	if err := out.WriteMapBegin(ctx, k.key.wire, k.value.wire, len(value)); err != nil {
		return err
	}
	for key, value := range value {
		if err := k.key.write(ctx, out, key); err != nil {
			return err
		}
		if err := k.value.write(ctx, out, value); err != nil {
			return err
		}
	}
	return out.WriteMapEnd(ctx)
}

func (k *kind) readStruct(ctx context.Context, in thrift.TProtocol) (values, error) {
	if _, err := in.ReadStructBegin(ctx); err != nil {
		return nil, err
	}
	found := values{}
	for {
		_, wire, id, err := in.ReadFieldBegin(ctx)
		if err != nil {
			return nil, err
		}
		if wire == thrift.STOP {
			return found, in.ReadStructEnd(ctx)
		}
		if err := k.readField(ctx, in, wire, id, found); err != nil {
			return nil, err
		}
		if err := in.ReadFieldEnd(ctx); err != nil {
			return nil, err
		}
	}
}

func (k *kind) readField(ctx context.Context, in thrift.TProtocol, wire thrift.TType, id int16, into values) error {
	for _, field := range k.fields {
		if field.id == id && field.kind.wire == wire {
			value, err := field.kind.read(ctx, in)
			into[field.name] = value
			return err
		}
	}
	return in.Skip(ctx, wire)
}

func (k *kind) read(ctx context.Context, in thrift.TProtocol) (any, error) {
	switch k.wire {
	case thrift.BOOL:
		return in.ReadBool(ctx)
	case thrift.I08:
		return in.ReadByte(ctx)
	case thrift.I16:
		return in.ReadI16(ctx)
	case thrift.I32:
		return in.ReadI32(ctx)
	case thrift.I64:
		return in.ReadI64(ctx)
	case thrift.DOUBLE:
		return in.ReadDouble(ctx)
	case thrift.STRING:
		if k.binary {
			return in.ReadBinary(ctx)
		}
		return in.ReadString(ctx)
	case thrift.STRUCT:
		return k.readStruct(ctx, in)
	case thrift.MAP:
		return k.readMap(ctx, in)
	}
	return k.readElements(ctx, in)
}

func (k *kind) readElements(ctx context.Context, in thrift.TProtocol) (any, error) {
	begin, end := in.ReadListBegin, in.ReadListEnd
	if k.wire == thrift.SET {
		begin, end = in.ReadSetBegin, in.ReadSetEnd
	}
	_, size, err := begin(ctx)
	if err != nil {
		return nil, err
	}
	found := []any{}
	for range size {
		element, err := k.value.read(ctx, in)
		if err != nil {
			return nil, err
		}
		found = append(found, element)
	}
	return found, end(ctx)
}

func (k *kind) readMap(ctx context.Context, in thrift.TProtocol) (any, error) {
	_, _, size, err := in.ReadMapBegin(ctx)
	if err != nil {
		return nil, err
	}
	found := map[any]any{}
	for range size {
		key, err := k.key.read(ctx, in)
		if err != nil {
			return nil, err
		}
		if found[key], err = k.value.read(ctx, in); err != nil {
			return nil, err
		}
	}
	return found, in.ReadMapEnd(ctx)
}
