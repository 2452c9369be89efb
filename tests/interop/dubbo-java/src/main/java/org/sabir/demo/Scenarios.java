package org.sabir.demo;

import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.apache.dubbo.rpc.RpcContext;
import org.apache.dubbo.rpc.service.EchoService;

/** One method per kind of call; each checks its own results and says what it saw. */
final class Scenarios {
    private static final int MEBIBYTE = 1 << 20;

    private final References references;

    Scenarios(References references) {
        this.references = references;
    }

    void register(JsonLines control) {
        control.on("string", this::string)
                .on("pojo", this::pojo)
                .on("nested", this::nested)
                .on("list", this::list)
                .on("map", this::map)
                .on("null", this::nothing)
                .on("void", this::noResult)
                .on("large", this::large)
                .on("async", this::async)
                .on("oneway", this::oneway)
                .on("generic", this::generic)
                .on("generic_exception", this::genericException)
                .on("attachments", this::attachments)
                .on("callback", this::callback)
                .on("echo", this::echo)
                .on("hammer", this::hammer);
    }

    private Object string(JsonObject command) {
        UserService user = references.user(command);
        for (String text : List.of("", "bob", "zoë 你好 \uD83D\uDE00", "x".repeat(5000))) {
            same(text, user.echoString(text));
        }
        same(12_345_678_901L, user.add(1, 12_345_678_900L));
        return user.whoami();
    }

    private Object pojo(JsonObject command) {
        User sent = new User(41, "Ada");
        same(sent, references.user(command).echoUser(sent));
        return sent.toString();
    }

    private Object nested(JsonObject command) {
        User sent = new User(42, "Grace");
        sent.setAddress(new Address("Porto", 4000));
        same(sent, references.user(command).echoUser(sent));
        return sent.toString();
    }

    private Object list(JsonObject command) {
        UserService user = references.user(command);
        List<User> sent = new ArrayList<>();
        same(sent, user.echoList(sent));
        User shared = new User(1, "shared");
        for (int id = 0; id < 50; id++) {
            sent.add(id % 10 == 0 ? shared : new User(id, "user " + id));
        }
        same(sent, user.echoList(sent));
        return sent.size();
    }

    private Object map(JsonObject command) {
        Map<String, User> sent = new HashMap<>();
        for (int id = 0; id < 20; id++) {
            sent.put("key-" + id, new User(id, "user " + id));
        }
        same(sent, references.user(command).echoMap(sent));
        return sent.size();
    }

    private Object nothing(JsonObject command) {
        same(null, references.user(command).nothing());
        return null;
    }

    private Object noResult(JsonObject command) {
        references.user(command).touch("void");
        return null;
    }

    private Object large(JsonObject command) {
        UserService user = references.user(command);
        String text = "0123456789abcdeé".repeat(MEBIBYTE / 16);
        same(text, user.echoString(text));
        byte[] bytes = new byte[MEBIBYTE];
        Arrays.fill(bytes, (byte) 0xda);
        same(true, Arrays.equals(bytes, user.echoBytes(bytes)));
        return text.length();
    }

    private Object async(JsonObject command) throws Exception {
        UserService user = references.user(command);
        List<CompletableFuture<String>> answers = new ArrayList<>();
        for (int turn = 0; turn < 20; turn++) {
            answers.add(user.echoAsync("turn " + turn));
        }
        for (int turn = 0; turn < 20; turn++) {
            same("turn " + turn, answers.get(turn).get(10, TimeUnit.SECONDS));
        }
        return answers.size();
    }

    /** Several, and then a two-way call on the same connection, which nothing may have upset. */
    private Object oneway(JsonObject command) {
        UserService user = references.user(command);
        for (int turn = 0; turn < 5; turn++) {
            user.note("one-way " + turn);
        }
        same("after", user.echoString("after"));
        return 5;
    }

    private Object generic(JsonObject command) {
        Map<String, Object> address = new HashMap<>(Map.of("city", "Porto", "zip", 4000));
        Map<String, Object> sent = new HashMap<>(Map.of("id", 5L, "name", "Map", "address", address));
        Object answer = references.generic(command).$invoke("echoUser", types(User.class), new Object[] {sent});
        Map<?, ?> user = (Map<?, ?>) answer;
        same("Map", user.get("name"));
        same(5L, ((Number) user.get("id")).longValue());
        same("Porto", ((Map<?, ?>) user.get("address")).get("city"));
        return references.generic(command).$invoke("whoami", new String[0], new Object[0]);
    }

    private Object genericException(JsonObject command) {
        try {
            references.generic(command)
                    .$invoke("fail", types(String.class, String.class), new Object[] {"checked", "no user 7"});
        } catch (RuntimeException thrown) {
            // Dubbo 2.7 gets the class of that name from the package of before Apache.
            same("GenericException", thrown.getClass().getSimpleName());
            same(true, thrown.getMessage().startsWith(UserNotFoundException.class.getName() + ": no user 7"));
            return Failure.of(thrown);
        }
        throw new AssertionError("no exception");
    }

    private Object attachments(JsonObject command) {
        UserService user = references.user(command);
        attach(command);
        Map<String, String> seen = user.attachments();
        Map<String, Object> facts = new LinkedHashMap<>();
        facts.put("seen", seen);
        facts.put("returned", new HashMap<>(RpcContext.getServerContext().getObjectAttachments()));
        return facts;
    }

    private Object callback(JsonObject command) {
        List<String> heard = new CopyOnWriteArrayList<>();
        UserListener listener = what -> {
            heard.add(what);
            return "heard " + what;
        };
        same(3, references.user(command).subscribe(3, listener));
        same(3, heard.size());
        return heard;
    }

    private Object echo(JsonObject command) {
        same("ping", ((EchoService) references.user(command)).$echo("ping"));
        return null;
    }

    /** "threads" threads of "calls" calls each, every answer checked against its own argument. */
    private Object hammer(JsonObject command) throws Exception {
        UserService user = references.user(command);
        user.whoami();
        int threads = command.get("threads").getAsInt();
        int calls = command.get("calls").getAsInt();
        List<CompletableFuture<Void>> running = new ArrayList<>();
        for (int thread = 0; thread < threads; thread++) {
            String prefix = "thread " + thread + " call ";
            CompletableFuture<Void> done = new CompletableFuture<>();
            running.add(done);
            new Thread(() -> repeat(user, prefix, calls, done)).start();
        }
        for (CompletableFuture<Void> done : running) {
            done.get(60, TimeUnit.SECONDS);
        }
        return threads * calls;
    }

    private static void repeat(UserService user, String prefix, int calls, CompletableFuture<Void> done) {
        try {
            for (int call = 0; call < calls; call++) {
                String text = prefix + call + "-".repeat(call % 97);
                same(text, user.echoString(text));
            }
            done.complete(null);
        } catch (Throwable thrown) {
            done.completeExceptionally(thrown);
        }
    }

    /** Sets the command's "attachments" on this thread's next call. */
    static void attach(JsonObject command) {
        if (command.has("attachments")) {
            command.getAsJsonObject("attachments")
                    .entrySet()
                    .forEach(pair -> RpcContext.getContext()
                            .setAttachment(pair.getKey(), pair.getValue().getAsString()));
        }
    }

    private static String[] types(Class<?>... classes) {
        return Arrays.stream(classes).map(Class::getName).toArray(String[]::new);
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
