package org.sabir.demo;

import java.util.function.Consumer;
import org.apache.dubbo.common.stream.StreamObserver;

/** Answers as {@link StreamService} says. */
final class StreamServiceImpl implements StreamService {
    @Override
    public void count(String upTo, StreamObserver<String> answers) {
        int last = Integer.parseInt(upTo);
        for (int number = 1; number <= Math.abs(last); number++) {
            answers.onNext(String.valueOf(number));
        }
        if (last < 0) {
            answers.onError(new IllegalStateException("no more than " + -last));
        } else {
            answers.onCompleted();
        }
    }

    @Override
    public StreamObserver<String> join(StreamObserver<String> answer) {
        StringBuilder all = new StringBuilder();
        return new Listening(all::append) {
            @Override
            public void onCompleted() {
                answer.onNext(all.toString());
                answer.onCompleted();
            }
        };
    }

    @Override
    public StreamObserver<String> echo(StreamObserver<String> answers) {
        return new Listening(answers::onNext) {
            @Override
            public void onCompleted() {
                answers.onCompleted();
            }
        };
    }

    /** What a caller says, piece by piece. */
    private abstract static class Listening implements StreamObserver<String> {
        private final Consumer<String> hear;

        Listening(Consumer<String> hear) {
            this.hear = hear;
        }

        @Override
        public void onNext(String text) {
            hear.accept(text);
        }

        @Override
        public void onError(Throwable thrown) {
            // The caller gave up, and nobody waits for an answer.
        }
    }
}
