package org.sabir.thrift;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.thrift.TApplicationException;
import org.apache.thrift.TException;

/**
 * A server and a client of Apache Thrift in Java, told what to do by JSON lines.
 *
 * <pre>
 * Peer server PORT...      one port for each of KINDS
 * Peer client
 * </pre>
 */
public final class Peer {
    /** What the library has; THeader is not part of it. */
    private static final List<String> KINDS =
            List.of("unframed-binary", "unframed-compact", "framed-binary", "framed-compact");

    private static final int MEBIBYTE = 1 << 20;

    private Peer() {}

    /** Serves, or calls, until standard input ends. */
    public static void main(String[] arguments) throws Exception {
        var control = new JsonLines();
        if (arguments[0].equals("server")) {
            var server = new Server();
            for (int i = 0; i < KINDS.size(); i++) {
                server.listen(KINDS.get(i), Integer.parseInt(arguments[i + 1]));
            }
            control.serve(command -> server.counts());
        } else {
            control.serve(Peer::carryOut);
        }
        System.exit(0);
    }

    /** Does what a command says, on a connection of its own. */
    private static Object carryOut(JsonObject command) throws Exception {
        String op = command.get("op").getAsString();
        if (op.equals("many")) {
            return many(command);
        }
        try (Link link = Link.open(command)) {
            switch (op) {
                case "echo" -> link.echo(new int[number(command, "times", 1)]);
                case "large" -> link.echo(MEBIBYTE, 10, 3 * MEBIBYTE);
                case "touch" -> link.call(text(command, "method", "touch"), Map.of());
                case "note" -> note(link, command);
                case "sleep" -> link.sleep(number(command, "milliseconds", 0), text(command, "text", ""));
                case "fail" -> {
                    Struct result = link.call("fail", Map.of("text", text(command, "text", "")));
                    return ((Map<?, ?>) result.get("failure")).get("text");
                }
                case "refused" -> {
                    return refused(link, command);
                }
                case "late" -> {
                    return late(link, command);
                }
                default -> throw new IllegalArgumentException("no such op: " + op);
            }
        }
        return null;
    }

    private static int number(JsonObject command, String name, int otherwise) {
        JsonElement value = command.get(name);
        return value == null ? otherwise : value.getAsInt();
    }

    private static String text(JsonObject command, String name, String otherwise) {
        JsonElement value = command.get(name);
        return value instanceof JsonPrimitive given ? given.getAsString() : otherwise;
    }

    /** One-way calls, and then an ordinary one that none of them may have upset. */
    private static void note(Link link, JsonObject command) throws TException {
        for (int i = 0; i < number(command, "times", 1); i++) {
            link.call("note", Map.of("text", "note"));
        }
        link.echo(0);
    }

    /** The framework's exception for a call; the connection then still serves. */
    private static Object refused(Link link, JsonObject command) throws TException {
        String method = text(command, "method", "");
        try {
            if (method.equals("sleep")) {
                link.sleep(number(command, "milliseconds", 0), "refused");
            } else {
                link.call(method, Map.of());
            }
        } catch (TApplicationException refusal) {
            String again = text(command, "again", "");
            if (!again.isEmpty()) {
                link.plainly(again);
            }
            return Link.facts(refusal);
        }
        throw new AssertionError(method + " was not refused");
    }

    /** A call that takes too long, and then others: each must get its own answer. */
    private static Object late(Link link, JsonObject command) throws TException {
        try {
            link.sleep(number(command, "milliseconds", 0), "late");
        } catch (TApplicationException refusal) {
            for (int i = 0; i < number(command, "times", 1); i++) {
                link.sleep(20, "quick " + i);
            }
            return Link.facts(refusal);
        }
        throw new AssertionError("it was not refused");
    }

    /** Threads with a connection each, whose answers must be their own. */
    private static int many(JsonObject command) throws Exception {
        int threads = number(command, "threads", 1);
        int calls = number(command, "calls", 1);
        ExecutorService workers = Executors.newFixedThreadPool(threads);
        List<Callable<Void>> work = new ArrayList<>();
        for (int i = 0; i < threads; i++) {
            int thread = i;
            work.add(() -> {
                try (Link link = Link.open(command)) {
                    for (int call = 0; call < calls; call++) {
                        link.sleep(0, thread + "-" + call);
                    }
                }
                return null;
            });
        }
        for (Future<Void> done : workers.invokeAll(work)) {
            done.get();
        }
        workers.shutdown();
        return threads * calls;
    }
}
