package org.sabir.demo;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * The control channel of every peer: one JSON object per line in, one per line out.
 *
 * <p>A command is {@code {"id": n, "op": "name", ...}}; its answer carries the same id, and either
 * "result" or "error". Commands run side by side, so answers come in the order of completion.
 */
public final class JsonLines {
    private static final Gson GSON = new GsonBuilder().disableHtmlEscaping().serializeNulls().create();

    /** Carries out one command. */
    public interface Command {
        Object run(JsonObject arguments) throws Throwable;
    }

    private final PrintStream out;
    private final Map<String, Command> commands = new LinkedHashMap<>();

    /** Takes standard output for itself: whatever else prints goes to standard error. */
    public JsonLines() {
        this.out = System.out;
        System.setOut(System.err);
    }

    public JsonLines on(String op, Command command) {
        commands.put(op, command);
        return this;
    }

    /** Tells the orchestrator that this peer is ready, with what it should know. */
    public void ready(Map<String, Object> facts) {
        write(Map.of("ready", facts));
    }

    /** Serves commands until standard input ends. */
    public void serve() throws IOException {
        ExecutorService workers = Executors.newCachedThreadPool();
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonObject request = JsonParser.parseString(line).getAsJsonObject();
            workers.execute(() -> write(answer(request)));
        }
        workers.shutdownNow();
    }

    private Map<String, Object> answer(JsonObject request) {
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("id", request.get("id").getAsLong());
        try {
            Command command = commands.get(request.get("op").getAsString());
            if (command == null) {
                throw new IllegalArgumentException("no such op: " + request.get("op"));
            }
            answer.put("result", command.run(request));
        } catch (Throwable thrown) {
            answer.put("error", Failure.of(thrown));
        }
        return answer;
    }

    private synchronized void write(Object value) {
        out.println(GSON.toJson(value));
        out.flush();
    }
}
