package org.sabir.thrift;

import com.google.gson.JsonObject;
import java.util.Map;
import org.apache.thrift.TApplicationException;
import org.apache.thrift.TException;
import org.apache.thrift.TServiceClient;
import org.apache.thrift.protocol.TBinaryProtocol;
import org.apache.thrift.protocol.TCompactProtocol;
import org.apache.thrift.protocol.TMultiplexedProtocol;
import org.apache.thrift.protocol.TProtocol;
import org.apache.thrift.transport.TSocket;
import org.apache.thrift.transport.TTransport;
import org.apache.thrift.transport.layered.TFramedTransport;

/** A connection of a client, and the calls that it makes as generated code would. */
final class Link extends TServiceClient implements AutoCloseable {
    private final TTransport transport;

    private Link(TTransport transport, TProtocol in, TProtocol out) {
        super(in, out);
        this.transport = transport;
    }

    static Link open(JsonObject command) throws TException {
        String kind = command.get("kind").getAsString();
        TTransport transport = new TSocket("127.0.0.1", command.get("port").getAsInt(), 20_000);
        if (kind.startsWith("framed")) {
            transport = new TFramedTransport(transport);
        }
        TProtocol protocol = kind.endsWith("compact")
                ? new TCompactProtocol(transport)
                : new TBinaryProtocol(transport, false, !kind.endsWith("lax"));
        TProtocol out = command.has("service")
                ? new TMultiplexedProtocol(protocol, command.get("service").getAsString())
                : protocol;
        transport.open();
        return new Link(transport, protocol, out);
    }

    /** Result of a call; null of a one-way call. */
    Struct call(String name, Map<String, Object> arguments) throws TException {
        var unknown = new Service.Method(Service.NOTHING, Service.NOTHING);
        Service.Method method = Service.METHODS.getOrDefault(name, unknown);
        var call = new Struct(method.arguments(), arguments);
        if (method.result() == null) {
            sendBaseOneway(name, call);
            return null;
        }
        sendBase(name, call);
        var result = new Struct(method.result(), Map.of());
        receiveBase(result, name);
        return result;
    }

    /** A call without the service that others of this connection are for. */
    void plainly(String name) throws TException {
        TProtocol multiplexed = oprot_;
        oprot_ = iprot_;
        call(name, Map.of());
        oprot_ = multiplexed;
    }

    void sleep(int milliseconds, String text) throws TException {
        Object answer = call("sleep", Map.of("milliseconds", milliseconds, "text", text)).get("success");
        if (!text.equals(answer)) {
            throw new AssertionError(text + " was answered by " + answer);
        }
    }

    void echo(int... sizes) throws TException {
        for (int size : sizes) {
            Map<String, Object> sent = Service.record(size);
            Object got = call("echo", Map.of("record", sent)).get("success");
            if (!sent.equals(got)) {
                throw new AssertionError("the record of " + size + " came back changed");
            }
        }
    }

    static Map<String, Object> facts(TApplicationException refusal) {
        return Map.of("type", refusal.getType(), "message", String.valueOf(refusal.getMessage()));
    }

    @Override
    public void close() {
        transport.close();
    }
}
