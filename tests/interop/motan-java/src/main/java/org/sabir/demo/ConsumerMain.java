package org.sabir.demo;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.weibo.api.motan.rpc.RpcContext;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.IntStream;

/** A client that carries out the orchestrator's commands: {@code ConsumerMain NAME}. */
public final class ConsumerMain {
    private static final int MEBIBYTE = 1 << 20;

    private final Referers referers;

    private ConsumerMain(String name) {
        referers = new Referers(name);
    }

    public static void main(String[] args) throws Exception {
        JsonLines control = new JsonLines();
        ConsumerMain consumer = new ConsumerMain(args[0]);
        control.on("values", consumer::values)
                .on("pojo", consumer::pojo)
                .on("large", consumer::large)
                .on("attachments", consumer::attachments)
                .on("hammer", consumer::hammer)
                .on("spread", consumer::spread)
                .on("call", consumer::call);
        control.ready(Map.of("name", args[0]));
        control.serve();
        System.exit(0);
    }

    private Object values(JsonObject command) {
        UserService user = referers.user(command);
        for (String text : List.of("", "bob", "zoë 你好 \uD83D\uDE00", "x".repeat(5000))) {
            same(text, user.echoString(text));
        }
        same(null, user.nothing());
        user.touch("void");
        return user.whoami();
    }

    private Object pojo(JsonObject command) {
        User sent = new User(41, "Ada");
        same(sent, referers.user(command).echoUser(sent));
        return sent.toString();
    }

    private Object large(JsonObject command) {
        UserService user = referers.user(command);
        String text = "0123456789abcdeé".repeat(MEBIBYTE / 16);
        same(text, user.echoString(text));
        byte[] bytes = new byte[MEBIBYTE];
        Arrays.fill(bytes, (byte) 0xf1);
        same(true, Arrays.equals(bytes, user.echoBytes(bytes)));
        return text.length();
    }

    /** What the provider saw, and what came back beside the value. */
    private Object attachments(JsonObject command) {
        UserService user = referers.user(command);
        attach(command);
        Map<String, String> seen = new TreeMap<>(user.attachments());
        return Map.of("seen", seen, "returned", new TreeMap<>(WireFilter.seen()));
    }

    /** "threads" times "calls", each answer checked against its own argument. */
    private Object hammer(JsonObject command) throws Exception {
        UserService user = referers.user(command);
        int calls = command.get("calls").getAsInt();
        List<Callable<Void>> threads = IntStream.range(0, command.get("threads").getAsInt())
                .<Callable<Void>>mapToObj(thread -> () -> {
                    for (int call = 0; call < calls; call++) {
                        String text = "thread " + thread + " call " + call + "-".repeat(call % 97);
                        same(text, user.echoString(text));
                    }
                    return null;
                })
                .toList();
        run(threads);
        return threads.size() * calls;
    }

    /** Which providers answered how many of "calls" calls, by eight threads; none may fail. */
    private Object spread(JsonObject command) throws Exception {
        UserService user = referers.user(command);
        int calls = command.get("calls").getAsInt();
        Map<String, LongAdder> answers = new ConcurrentHashMap<>();
        Callable<Void> caller = () -> {
            for (int call = 0; call < calls / 8; call++) {
                attach(command);
                answers.computeIfAbsent(user.whoami(), name -> new LongAdder()).increment();
            }
            return null;
        };
        run(IntStream.range(0, 8).mapToObj(thread -> caller).toList());
        Map<String, Long> counts = new TreeMap<>();
        answers.forEach((name, count) -> counts.put(name, count.sum()));
        return counts;
    }

    /** One call; a failed one is a result here. */
    private Object call(JsonObject command) {
        UserService user = referers.user(command);
        Map<String, Object> report = new LinkedHashMap<>();
        long start = System.nanoTime();
        try {
            attach(command);
            report.put("value", invoke(user, command));
        } catch (Throwable thrown) {
            report.put("failure", Failure.of(thrown));
        }
        report.put("elapsed_ms", (System.nanoTime() - start) / 1_000_000);
        return report;
    }

    private static Object invoke(UserService user, JsonObject command) {
        String method = command.get("method").getAsString();
        return switch (method) {
            case "whoami" -> user.whoami();
            case "sleep" -> user.sleep(command.get("millis").getAsLong());
            case "fail" -> user.fail(command.get("message").getAsString());
            case "echoString" -> user.echoString("x".repeat(command.get("bytes").getAsInt()));
            default -> throw new IllegalArgumentException("no such method: " + method);
        };
    }

    /** Motan's context is the thread's, and keeps what it was given. */
    private static void attach(JsonObject command) {
        RpcContext.destroy();
        if (command.has("attachments")) {
            for (Map.Entry<String, JsonElement> pair : command.getAsJsonObject("attachments").entrySet()) {
                RpcContext.getContext().setRpcAttachment(pair.getKey(), pair.getValue().getAsString());
            }
        }
    }

    private static void run(List<Callable<Void>> threads) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(threads.size());
        try {
            for (Future<Void> done : pool.invokeAll(threads)) {
                done.get();
            }
        } finally {
            pool.shutdownNow();
        }
    }

    private static void same(Object expected, Object actual) {
        if (!Objects.equals(expected, actual)) {
            throw new AssertionError("expected " + shortened(expected) + ", got " + shortened(actual));
        }
    }

    private static String shortened(Object value) {
        String text = String.valueOf(value);
        return text.length() > 200 ? text.substring(0, 200) + "…" : text;
    }
}
