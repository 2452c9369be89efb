package org.sabir.demo;

import org.apache.dubbo.common.stream.StreamObserver;

/** The three kinds of streams that Triple has. */
public interface StreamService {
    /** Answers with so many texts, "1" and on; a negative number fails behind as many of them. */
    void count(String upTo, StreamObserver<String> answers);

    /** Answers once, when the caller has ended: all that it said. */
    StreamObserver<String> join(StreamObserver<String> answer);

    /** Answers each text with itself, at once. */
    StreamObserver<String> echo(StreamObserver<String> answers);
}
