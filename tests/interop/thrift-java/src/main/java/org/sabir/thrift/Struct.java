package org.sabir.thrift;

import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.thrift.TBase;
import org.apache.thrift.TException;
import org.apache.thrift.TFieldIdEnum;
import org.apache.thrift.protocol.TProtocol;

/** A struct of some kind, as far as clients and processors of the library need one. */
final class Struct implements TBase<Struct, TFieldIdEnum> {
    private static final long serialVersionUID = 1;

    private final transient Kind kind;
    private final transient Map<String, Object> values;

    Struct(Kind kind, Map<String, Object> values) {
        this.kind = kind;
        this.values = new LinkedHashMap<>(values);
    }

    Object get(String name) {
        return values.get(name);
    }

    @Override
    public void read(TProtocol in) throws TException {
        clear();
        values.putAll(kind.readStruct(in));
    }

    @Override
    public void write(TProtocol out) throws TException {
        kind.writeStruct(out, values);
    }

    @Override
    public void clear() {
        values.clear();
    }

    @Override
    public Struct deepCopy() {
        return new Struct(kind, values);
    }

    @Override
    public TFieldIdEnum fieldForId(int id) {
        throw new UnsupportedOperationException();
    }

    @Override
    public boolean isSet(TFieldIdEnum field) {
        return values.containsKey(field.getFieldName());
    }

    @Override
    public Object getFieldValue(TFieldIdEnum field) {
        return get(field.getFieldName());
    }

    @Override
    public void setFieldValue(TFieldIdEnum field, Object value) {
        values.put(field.getFieldName(), value);
    }

    @Override
    public int compareTo(Struct other) {
        throw new UnsupportedOperationException();
    }
}
