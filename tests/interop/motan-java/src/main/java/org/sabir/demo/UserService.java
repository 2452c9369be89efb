package org.sabir.demo;

import java.util.Map;

/** The service every Motan peer of this suite offers and calls. */
public interface UserService {
    String echoString(String text);

    User echoUser(User user);

    byte[] echoBytes(byte[] bytes);

    /** Returns null. */
    String nothing();

    /** Returns nothing, but is answered. */
    void touch(String text);

    /** Throws an exception of its own with this message. */
    String fail(String message);

    /** Answers with the provider's name after so many milliseconds. */
    String sleep(long millis);

    /** The provider's name, which makes splits and isolation visible. */
    String whoami();

    /** What the provider saw beside the arguments. */
    Map<String, String> attachments();
}
