package org.sabir.demo;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.grpc.testing.integration.TestServiceClient;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Runs gRPC's own interop client as often as it is asked to, in one JVM.
 *
 * <p>A command is a JSON object on a line of the standard input: {@code {"id": 1, "op": "run",
 * "arguments": ["--test_case=empty_unary", ...]}}. The answer, on a line of the standard output, has
 * the id and either a "result" or an "error".
 */
public final class CaseMain {
    private static final int LINES = 4;

    private CaseMain() {}

    public static void main(String[] none) throws Exception {
        Gson gson = new Gson();
        System.out.println("{\"ready\": {\"name\": \"grpc-java\"}}");
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            JsonObject command = JsonParser.parseString(line).getAsJsonObject();
            List<String> arguments = new ArrayList<>();
            command.getAsJsonArray("arguments").forEach(argument -> arguments.add(argument.getAsString()));
            JsonObject answer = new JsonObject();
            answer.add("id", command.get("id"));
            String failure = run(arguments.toArray(new String[0]));
            if (failure == null) {
                answer.addProperty("result", "passed");
            } else {
                answer.addProperty("error", failure);
            }
            System.out.println("\n" + gson.toJson(answer));
        }
    }

    /** What went wrong, or null. */
    private static String run(String[] arguments) {
        try {
            TestServiceClient.main(arguments);
            return null;
        } catch (Throwable failure) {
            StringWriter trace = new StringWriter();
            failure.printStackTrace(new PrintWriter(trace));
            return trace.toString().lines().limit(LINES).collect(Collectors.joining("\n"));
        }
    }
}
