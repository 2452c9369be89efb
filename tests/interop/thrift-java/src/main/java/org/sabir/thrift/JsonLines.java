package org.sabir.thrift;

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
 * <p>Commands run side by side, so answers come in the order of completion.
 */
final class JsonLines {
    private static final Gson GSON = new GsonBuilder().disableHtmlEscaping().serializeNulls().create();

    /** Carries out one command. */
    interface Command {
        Object run(JsonObject command) throws Exception;
    }

    private final PrintStream out;

    /** Takes standard output for itself: whatever else prints goes to standard error. */
    JsonLines() {
        out = System.out;
        System.setOut(System.err);
    }

    /** Tells that this peer is ready, and serves commands until standard input ends. */
    void serve(Command carryOut) throws IOException {
        write(Map.of("ready", Map.of()));
        ExecutorService workers = Executors.newCachedThreadPool();
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonObject command = JsonParser.parseString(line).getAsJsonObject();
            workers.execute(() -> write(answer(command, carryOut)));
        }
        workers.shutdownNow();
    }

    private static Map<String, Object> answer(JsonObject command, Command carryOut) {
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("id", command.get("id").getAsLong());
        try {
            answer.put("result", carryOut.run(command));
        } catch (Exception | AssertionError thrown) {
            answer.put("error", thrown.toString());
        }
        return answer;
    }

    private synchronized void write(Object value) {
        out.println(GSON.toJson(value));
        out.flush();
    }
}
