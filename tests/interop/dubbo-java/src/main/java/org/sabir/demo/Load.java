package org.sabir.demo;

import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.LongAdder;

/**
 * Calls that go on in the background until stopped: "threads" callers, each with one call in flight
 * at a time; a call is {@code sleep("hold")} (ms) or, without "hold", {@code whoami()}.
 */
final class Load {
    private static final int KEPT_FAILURES = 500;

    private final JsonObject command;
    private final UserService user;
    private final Map<String, LongAdder> answers = new ConcurrentHashMap<>();
    private final List<Map<String, Object>> failures = new CopyOnWriteArrayList<>();
    private final LongAdder failed = new LongAdder();
    private final List<Thread> threads = new ArrayList<>();
    private volatile boolean stopping;

    Load(JsonObject command, UserService user) {
        this.command = command;
        this.user = user;
    }

    void start() {
        for (int thread = 0; thread < command.get("threads").getAsInt(); thread++) {
            Thread caller = new Thread(this::run, "load-" + thread);
            threads.add(caller);
            caller.start();
        }
    }

    /** Lets every call in flight end, then reports. */
    Object stop() throws InterruptedException {
        stopping = true;
        for (Thread thread : threads) {
            thread.join(60_000);
        }
        return snapshot();
    }

    /** "answers" by provider name, number of calls "failed", and what the failures were. */
    Object snapshot() {
        Map<String, Long> counts = new TreeMap<>();
        answers.forEach((name, count) -> counts.put(name, count.sum()));
        Map<String, Object> report = new LinkedHashMap<>();
        report.put("answers", counts);
        report.put("failed", failed.sum());
        report.put("failures", failures);
        return report;
    }

    private void run() {
        long hold = command.has("hold") ? command.get("hold").getAsLong() : -1;
        while (!stopping) {
            try {
                Scenarios.attach(command);
                String name = hold < 0 ? user.whoami() : user.sleep(hold);
                answers.computeIfAbsent(name, key -> new LongAdder()).increment();
            } catch (Throwable thrown) {
                fail(thrown);
            }
        }
    }

    /** A failing caller slows down, so that a dead target does not turn into a busy loop. */
    private void fail(Throwable thrown) {
        failed.increment();
        if (failures.size() < KEPT_FAILURES) {
            failures.add(Failure.of(thrown));
        }
        try {
            Thread.sleep(20);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
