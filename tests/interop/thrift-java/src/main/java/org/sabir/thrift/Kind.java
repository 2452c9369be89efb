package org.sabir.thrift;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.thrift.TException;
import org.apache.thrift.protocol.TField;
import org.apache.thrift.protocol.TList;
import org.apache.thrift.protocol.TMap;
import org.apache.thrift.protocol.TProtocol;
import org.apache.thrift.protocol.TProtocolUtil;
import org.apache.thrift.protocol.TSet;
import org.apache.thrift.protocol.TStruct;
import org.apache.thrift.protocol.TType;

/** The type of a value: structs are read and written by it, as generated code would. */
record Kind(byte wire, boolean binary, Kind key, Kind value, List<Field> fields) {
    record Field(int id, String name, Kind kind) {}

    static final Kind BOOL = of(TType.BOOL);
    static final Kind I8 = of(TType.BYTE);
    static final Kind I16 = of(TType.I16);
    static final Kind I32 = of(TType.I32);
    static final Kind I64 = of(TType.I64);
    static final Kind DOUBLE = of(TType.DOUBLE);
    static final Kind TEXT = of(TType.STRING);
    static final Kind BLOB = new Kind(TType.STRING, true, null, null, null);

    static Kind list(Kind of) {
        return new Kind(TType.LIST, false, null, of, null);
    }

    static Kind set(Kind of) {
        return new Kind(TType.SET, false, null, of, null);
    }

    static Kind map(Kind key, Kind value) {
        return new Kind(TType.MAP, false, key, value, null);
    }

    static Kind struct(Field... fields) {
        return new Kind(TType.STRUCT, false, null, null, List.of(fields));
    }

    static Field field(int id, String name, Kind kind) {
        return new Field(id, name, kind);
    }

    private static Kind of(byte wire) {
        return new Kind(wire, false, null, null, null);
    }

    void writeStruct(TProtocol out, Map<?, ?> values) throws TException {
        out.writeStructBegin(new TStruct("struct"));
        for (Field field : fields) {
            Object value = values.get(field.name());
            if (value != null) {
                out.writeFieldBegin(new TField(field.name(), field.kind().wire(), (short) field.id()));
                field.kind().write(out, value);
                out.writeFieldEnd();
            }
        }
        out.writeFieldStop();
        out.writeStructEnd();
    }

    private void write(TProtocol out, Object it) throws TException {
        switch (wire) {
            case TType.BOOL -> out.writeBool((Boolean) it);
            case TType.BYTE -> out.writeByte((Byte) it);
            case TType.I16 -> out.writeI16((Short) it);
            case TType.I32 -> out.writeI32((Integer) it);
            case TType.I64 -> out.writeI64((Long) it);
            case TType.DOUBLE -> out.writeDouble((Double) it);
            case TType.STRUCT -> writeStruct(out, (Map<?, ?>) it);
            case TType.MAP -> writeMap(out, (Map<?, ?>) it);
            case TType.LIST, TType.SET -> writeElements(out, (Collection<?>) it);
            default -> {
                if (binary) {
                    out.writeBinary((ByteBuffer) it);
                } else {
                    out.writeString((String) it);
                }
            }
        }
    }

    private void writeElements(TProtocol out, Collection<?> elements) throws TException {
        if (wire == TType.SET) {
            out.writeSetBegin(new TSet(value.wire, elements.size()));
        } else {
            out.writeListBegin(new TList(value.wire, elements.size()));
        }
        for (Object element : elements) {
            value.write(out, element);
        }
        if (wire == TType.SET) {
            out.writeSetEnd();
        } else {
            out.writeListEnd();
        }
    }

    private void writeMap(TProtocol out, Map<?, ?> map) throws TException {
        out.writeMapBegin(new TMap(key.wire, value.wire, map.size()));
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            key.write(out, entry.getKey());
            value.write(out, entry.getValue());
        }
        out.writeMapEnd();
    }

    Map<String, Object> readStruct(TProtocol in) throws TException {
        Map<String, Object> values = new LinkedHashMap<>();
        in.readStructBegin();
        for (TField found = in.readFieldBegin(); found.type != TType.STOP; found = in.readFieldBegin()) {
            Field known = field(found);
            if (known == null) {
                TProtocolUtil.skip(in, found.type);
            } else {
                values.put(known.name(), known.kind().read(in));
            }
            in.readFieldEnd();
        }
        in.readStructEnd();
        return values;
    }

    private Field field(TField found) {
        for (Field field : fields) {
            if (field.id() == found.id && field.kind().wire() == found.type) {
                return field;
            }
        }
        return null;
    }

    private Object read(TProtocol in) throws TException {
        return switch (wire) {
            case TType.BOOL -> in.readBool();
            case TType.BYTE -> in.readByte();
            case TType.I16 -> in.readI16();
            case TType.I32 -> in.readI32();
            case TType.I64 -> in.readI64();
            case TType.DOUBLE -> in.readDouble();
            case TType.STRUCT -> readStruct(in);
            case TType.MAP -> readMap(in);
            case TType.LIST -> readList(in);
            case TType.SET -> readSet(in);
            default -> binary ? in.readBinary() : in.readString();
        };
    }

    private List<Object> readList(TProtocol in) throws TException {
        TList begin = in.readListBegin();
        List<Object> list = new ArrayList<>();
        for (int i = 0; i < begin.size; i++) {
            list.add(value.read(in));
        }
        in.readListEnd();
        return list;
    }

    private HashSet<Object> readSet(TProtocol in) throws TException {
        TSet begin = in.readSetBegin();
        HashSet<Object> set = new HashSet<>();
        for (int i = 0; i < begin.size; i++) {
            set.add(value.read(in));
        }
        in.readSetEnd();
        return set;
    }

    private Map<Object, Object> readMap(TProtocol in) throws TException {
        TMap begin = in.readMapBegin();
        Map<Object, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < begin.size; i++) {
            Object readKey = key.read(in);
            map.put(readKey, value.read(in));
        }
        in.readMapEnd();
        return map;
    }
}
