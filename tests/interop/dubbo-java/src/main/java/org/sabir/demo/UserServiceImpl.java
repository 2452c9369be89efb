package org.sabir.demo;

import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.apache.dubbo.rpc.RpcContext;

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
    public List<User> echoList(List<User> users) {
        return users;
    }

    @Override
    public Map<String, User> echoMap(Map<String, User> users) {
        return users;
    }

    @Override
    public byte[] echoBytes(byte[] bytes) {
        return bytes;
    }

    @Override
    public long add(int left, long right) {
        return left + right;
    }

    @Override
    public CompletableFuture<String> echoAsync(String text) {
        return CompletableFuture.supplyAsync(() -> text);
    }

    @Override
    public String nothing() {
        return null;
    }

    @Override
    public void touch(String text) {}

    @Override
    public void note(String text) {}

    @Override
    public String fail(String kind, String message) throws UserNotFoundException {
        if (kind.equals("checked")) {
            throw new UserNotFoundException(message, 7);
        }
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
        RpcContext.getServerContext().setAttachment("provider", name);
        RpcContext.getServerContext().setAttachment("x-secret", "not for consumers");
        return WireFilter.seen();
    }

    @Override
    public int subscribe(int times, UserListener listener) {
        int heard = 0;
        for (int turn = 0; turn < times; turn++) {
            heard += listener.changed(name + " " + turn).equals("heard " + name + " " + turn) ? 1 : 0;
        }
        return heard;
    }
}
