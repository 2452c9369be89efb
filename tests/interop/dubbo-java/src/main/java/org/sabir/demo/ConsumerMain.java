package org.sabir.demo;

import com.google.gson.JsonObject;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.dubbo.common.Version;
import org.apache.dubbo.rpc.RpcContext;

/** A consumer that carries out the orchestrator's commands: {@code ConsumerMain NAME}. */
public final class ConsumerMain {
    private final References references;
    private final Map<String, Load> loads = new ConcurrentHashMap<>();

    private ConsumerMain(String name) {
        references = new References(name);
    }

    public static void main(String[] args) throws Exception {
        JsonLines control = new JsonLines();
        ConsumerMain consumer = new ConsumerMain(args[0]);
        new Scenarios(consumer.references).register(control);
        control.on("call", consumer::call)
                .on("load_start", consumer::startLoad)
                .on("load_snapshot", command -> consumer.load(command).snapshot())
                .on("load_stop", command -> consumer.load(command).stop());
        control.ready(Map.of("name", args[0], "dubbo", Version.getVersion()));
        control.serve();
        System.exit(0);
    }

    /** One call; a failed one is a result here, with its class, code and message. */
    private Object call(JsonObject command) {
        UserService user = references.user(command);
        Map<String, Object> report = new LinkedHashMap<>();
        long start = System.nanoTime();
        try {
            Scenarios.attach(command);
            report.put("value", invoke(user, command));
            report.put("returned", new HashMap<>(RpcContext.getServerContext().getAttachments()));
        } catch (Throwable thrown) {
            report.put("failure", Failure.of(thrown));
        }
        report.put("elapsed_ms", (System.nanoTime() - start) / 1_000_000);
        return report;
    }

    private static Object invoke(UserService user, JsonObject command) throws UserNotFoundException {
        String method = command.get("method").getAsString();
        return switch (method) {
            case "whoami" -> user.whoami();
            case "echoString" -> user.echoString(command.get("text").getAsString());
            case "sleep" -> user.sleep(command.get("millis").getAsLong());
            case "fail" -> user.fail(command.get("kind").getAsString(), command.get("message").getAsString());
            case "attachments" -> user.attachments();
            default -> throw new IllegalArgumentException("no such method: " + method);
        };
    }

    private Object startLoad(JsonObject command) {
        Load load = new Load(command, references.user(command));
        loads.put(command.get("name").getAsString(), load);
        load.start();
        return null;
    }

    private Load load(JsonObject command) {
        return loads.get(command.get("name").getAsString());
    }
}
