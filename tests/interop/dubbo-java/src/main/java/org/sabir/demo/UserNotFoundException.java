package org.sabir.demo;

/** The service's own checked exception: declared, so Dubbo carries it as itself. */
public class UserNotFoundException extends Exception {
    private static final long serialVersionUID = 1L;

    private int userId;

    public UserNotFoundException() {}

    /** The form that fastjson2 looks for: with another one only, it loses the message. */
    public UserNotFoundException(String message) {
        super(message);
    }

    public UserNotFoundException(String message, int userId) {
        super(message);
        this.userId = userId;
    }

    public int getUserId() {
        return userId;
    }
}
