package org.sabir.demo;

import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.apache.dubbo.common.stream.StreamObserver;

/** One method per kind of stream; each checks what it hears. */
final class StreamScenarios {
    private static final String END = "the end";

    private final Function<JsonObject, StreamService> services;

    StreamScenarios(Function<JsonObject, StreamService> services) {
        this.services = services;
    }

    void register(JsonLines control) {
        control.on("server_stream", this::serverStream)
                .on("server_stream_fails", this::serverStreamFails)
                .on("client_stream", this::clientStream)
                .on("bidirectional", this::bidirectional)
                .on("large", this::large)
                .on("many", this::many);
    }

    private Object serverStream(JsonObject command) throws Exception {
        Heard heard = new Heard();
        services.apply(command).count("100", heard);
        for (int number = 1; number <= 100; number++) {
            heard.next(String.valueOf(number));
        }
        heard.next(END);
        return true;
    }

    private Object serverStreamFails(JsonObject command) throws Exception {
        Heard heard = new Heard();
        services.apply(command).count("-3", heard);
        for (int number = 1; number <= 3; number++) {
            heard.next(String.valueOf(number));
        }
        String failure = heard.take();
        same(true, failure.startsWith("failed: ") && failure.contains("no more than 3"), failure);
        return true;
    }

    private Object clientStream(JsonObject command) throws Exception {
        Heard heard = new Heard();
        StreamObserver<String> said = services.apply(command).join(heard);
        StringBuilder all = new StringBuilder();
        for (int number = 0; number < 100; number++) {
            said.onNext(number + " 你好 ");
            all.append(number).append(" 你好 ");
        }
        said.onCompleted();
        heard.next(all.toString());
        heard.next(END);
        return true;
    }

    /** Each answer is there before the next text is said. */
    private Object bidirectional(JsonObject command) throws Exception {
        Heard heard = new Heard();
        StreamObserver<String> said = services.apply(command).echo(heard);
        for (int number = 0; number < 50; number++) {
            said.onNext("text " + number);
            heard.next("text " + number);
        }
        said.onCompleted();
        heard.next(END);
        return true;
    }

    private Object large(JsonObject command) throws Exception {
        Heard heard = new Heard();
        StreamObserver<String> said = services.apply(command).echo(heard);
        String text = "0123456789abcdeé".repeat(1 << 16);
        for (int turn = 0; turn < 4; turn++) {
            said.onNext(text);
            heard.next(text);
        }
        said.onCompleted();
        heard.next(END);
        return true;
    }

    /** Streams that are all open at once on one connection. */
    private Object many(JsonObject command) throws Exception {
        StreamService service = services.apply(command);
        List<Heard> heard = new ArrayList<>();
        List<StreamObserver<String>> said = new ArrayList<>();
        for (int stream = 0; stream < 50; stream++) {
            heard.add(new Heard());
            said.add(service.echo(heard.get(stream)));
        }
        for (int turn = 0; turn < 5; turn++) {
            for (int stream = 0; stream < said.size(); stream++) {
                said.get(stream).onNext(stream + " in turn " + turn);
            }
            for (int stream = 0; stream < said.size(); stream++) {
                heard.get(stream).next(stream + " in turn " + turn);
            }
        }
        for (int stream = 0; stream < said.size(); stream++) {
            said.get(stream).onCompleted();
            heard.get(stream).next(END);
        }
        return said.size();
    }

    private static void same(Object expected, Object actual, String seen) {
        if (!Objects.equals(expected, actual)) {
            throw new AssertionError("got " + seen.substring(0, Math.min(seen.length(), 300)));
        }
    }

    /** What is heard, in order. */
    private static final class Heard implements StreamObserver<String> {
        private final LinkedBlockingQueue<String> said = new LinkedBlockingQueue<>();

        @Override
        public void onNext(String text) {
            said.add(text);
        }

        @Override
        public void onError(Throwable thrown) {
            said.add("failed: " + thrown.getMessage());
        }

        @Override
        public void onCompleted() {
            said.add(END);
        }

        String take() throws InterruptedException {
            String text = said.poll(10, TimeUnit.SECONDS);
            if (text == null) {
                throw new AssertionError("nothing heard in time");
            }
            return text;
        }

        void next(String expected) throws InterruptedException {
            String text = take();
            same(expected, text, text);
        }
    }
}
