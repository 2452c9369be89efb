package org.sabir.demo;

/** Passed as an argument: the provider calls it back over the consumer's connection. */
public interface UserListener {
    String changed(String what);
}
