package org.sabir.demo;

import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/** The service every peer of this suite offers and calls. */
public interface UserService {
    String echoString(String text);

    User echoUser(User user);

    List<User> echoList(List<User> users);

    Map<String, User> echoMap(Map<String, User> users);

    byte[] echoBytes(byte[] bytes);

    long add(int left, long right);

    CompletableFuture<String> echoAsync(String text);

    /** Returns null. */
    String nothing();

    /** Returns nothing, but is answered. */
    void touch(String text);

    /** Returns nothing, and consumers declare it one-way. */
    void note(String text);

    /** Throws by kind: "checked" a UserNotFoundException, "runtime" an IllegalStateException. */
    String fail(String kind, String message) throws UserNotFoundException;

    /** Answers with the provider's name after so many milliseconds. */
    String sleep(long millis);

    /** The provider's name, which makes splits and isolation visible. */
    String whoami();

    /** What the provider saw beside the arguments; answers with response attachments of its own. */
    Map<String, String> attachments();

    /** Calls the listener back the given number of times before it returns. */
    int subscribe(int times, UserListener listener);
}
