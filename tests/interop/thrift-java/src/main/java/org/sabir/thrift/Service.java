package org.sabir.thrift;

import static org.sabir.thrift.Kind.field;
import static org.sabir.thrift.Kind.list;
import static org.sabir.thrift.Kind.map;
import static org.sabir.thrift.Kind.struct;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The demo service, as all peers have it. */
final class Service {
    /** What the IDL says of a method; a one-way method has no result. */
    record Method(Kind arguments, Kind result) {}

    static final Kind NOTHING = struct();
    private static final Kind TEXT = struct(field(1, "text", Kind.TEXT));
    private static final Kind RECORD = struct(
            field(1, "text", Kind.TEXT),
            field(2, "number", Kind.I32),
            field(3, "flag", Kind.BOOL),
            field(4, "numbers", list(Kind.I64)),
            field(5, "counts", map(Kind.TEXT, Kind.I32)),
            field(6, "ratio", Kind.DOUBLE),
            field(7, "blob", Kind.BLOB),
            field(8, "tiny", Kind.I8),
            field(9, "small", Kind.I16),
            field(10, "few", Kind.set(Kind.I32)),
            field(11, "nested", map(Kind.I16, list(TEXT))),
            field(20, "flags", list(Kind.BOOL)),
            field(21, "none", map(Kind.TEXT, Kind.I64)),
            field(22, "nobody", list(Kind.I16)));

    static final Map<String, Method> METHODS = Map.of(
            "echo", new Method(struct(field(1, "record", RECORD)), struct(field(0, "success", RECORD))),
            "touch", new Method(NOTHING, NOTHING),
            "note", new Method(TEXT, null),
            "fail", new Method(TEXT, struct(field(1, "failure", TEXT))),
            "crash", new Method(NOTHING, NOTHING),
            "headers", new Method(NOTHING, struct(field(0, "success", map(Kind.TEXT, Kind.TEXT)))),
            "sleep",
                    new Method(
                            struct(field(1, "milliseconds", Kind.I32), field(2, "text", Kind.TEXT)),
                            struct(field(0, "success", Kind.TEXT))));

    private Service() {}

    /** A record whose text has {@code size} bytes more. */
    static Map<String, Object> record(int size) {
        byte[] bytes = new byte[256];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) i;
        }
        List<Boolean> flags = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            flags.addAll(List.of(true, false));
        }
        return Map.ofEntries(
                Map.entry("text", "zoë 你好 " + "x".repeat(size)),
                Map.entry("number", -5),
                Map.entry("flag", true),
                Map.entry("numbers", List.of(1L, -1L, 1L << 62, Long.MIN_VALUE)),
                Map.entry("counts", Map.of("a", 1, "", -1)),
                Map.entry("ratio", -0.5),
                Map.entry("blob", ByteBuffer.wrap(bytes)),
                Map.entry("tiny", (byte) -128),
                Map.entry("small", (short) -300),
                Map.entry("few", Set.of(7)),
                Map.entry("nested", Map.of((short) -2, List.of(Map.of("text", "deep"), Map.of()))),
                Map.entry("flags", flags),
                Map.entry("none", Map.of()),
                Map.entry("nobody", List.of()));
    }
}
