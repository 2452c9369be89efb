package org.sabir.demo;

import java.util.Map;

/** Answers with what it was given; {@link UserService} says what each method is for. */
public class UserServiceImpl implements UserService {
    private final String name;

    public UserServiceImpl(String name) {
        this.name = name;
    }

    @Override
    public String echoString(String text) {
        return text;
    }

    @Override
    public User echoUser(User user) {
        return user;
    }

    @Override
    public byte[] echoBytes(byte[] bytes) {
        return bytes;
    }

    @Override
    public String nothing() {
        return null;
    }

    @Override
    public void touch(String text) {}

    @Override
    public String fail(String message) {
        throw new IllegalStateException(message);
    }

    @Override
    public String sleep(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return name;
    }

    @Override
    public String whoami() {
        return name;
    }

    @Override
    public Map<String, String> attachments() {
        return WireFilter.seen();
    }
}
