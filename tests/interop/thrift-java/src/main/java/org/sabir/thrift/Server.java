package org.sabir.thrift;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.thrift.ProcessFunction;
import org.apache.thrift.TBase;
import org.apache.thrift.TBaseProcessor;
import org.apache.thrift.TException;
import org.apache.thrift.TMultiplexedProcessor;
import org.apache.thrift.TProcessor;
import org.apache.thrift.protocol.TBinaryProtocol;
import org.apache.thrift.protocol.TCompactProtocol;
import org.apache.thrift.protocol.TProtocolFactory;
import org.apache.thrift.server.TServer;
import org.apache.thrift.server.TThreadPoolServer;
import org.apache.thrift.server.TThreadedSelectorServer;
import org.apache.thrift.transport.TNonblockingServerSocket;
import org.apache.thrift.transport.TServerSocket;
import org.apache.thrift.transport.layered.TFramedTransport;

/** A server for each kind: a thread for each connection, or selectors where there are frames. */
final class Server {
    private final Map<String, Integer> counts = new ConcurrentHashMap<>();

    Map<String, Integer> counts() {
        return counts;
    }

    void listen(String kind, int port) throws Exception {
        var address = new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
        TProtocolFactory protocol =
                kind.endsWith("compact") ? new TCompactProtocol.Factory() : new TBinaryProtocol.Factory();
        TServer server;
        if (kind.startsWith("framed")) {
            var arguments = new TThreadedSelectorServer.Args(new TNonblockingServerSocket(address));
            arguments.transportFactory(new TFramedTransport.Factory());
            server = new TThreadedSelectorServer(
                    arguments.selectorThreads(1).workerThreads(32).protocolFactory(protocol).processor(processor()));
        } else {
            var arguments = new TThreadPoolServer.Args(new TServerSocket(address)).maxWorkerThreads(200);
            server = new TThreadPoolServer(arguments.protocolFactory(protocol).processor(processor()));
        }
        var thread = new Thread(server::serve, kind);
        thread.setDaemon(true);
        thread.start();
        while (!server.isServing()) {
            Thread.sleep(5);
        }
    }

    private TProcessor processor() {
        Map<String, ProcessFunction<Server, ? extends TBase, ? extends TBase>> functions = new HashMap<>();
        Service.METHODS.forEach((name, method) -> functions.put(name, new Function(name, method)));
        var plain = new TBaseProcessor<>(this, functions) {};
        var all = new TMultiplexedProcessor();
        all.registerDefault(plain);
        all.registerProcessor("Demo", plain);
        return all;
    }

    /** Values of the result of a call. */
    private Map<String, Object> call(String name, Struct call) throws InterruptedException {
        counts.merge(name, 1, Integer::sum);
        switch (name) {
            case "echo":
                return Map.of("success", call.get("record"));
            case "fail":
                return Map.of("failure", Map.of("text", call.get("text")));
            case "crash":
                throw new IllegalStateException("out of order");
            case "headers":
                // No transport of this library has any.
                return Map.of("success", Map.of());
            case "sleep":
                Thread.sleep((Integer) call.get("milliseconds"));
                return Map.of("success", call.get("text"));
            default:
                return Map.of();
        }
    }

    private static final class Function extends ProcessFunction<Server, Struct, Struct> {
        private final Service.Method method;

        Function(String name, Service.Method method) {
            super(name);
            this.method = method;
        }

        @Override
        public boolean isOneway() {
            return method.result() == null;
        }

        @Override
        public Struct getResult(Server server, Struct call) throws TException {
            try {
                Map<String, Object> values = server.call(getMethodName(), call);
                return isOneway() ? null : new Struct(method.result(), values);
            } catch (InterruptedException interrupted) {
                throw new TException(interrupted);
            }
        }

        @Override
        public Struct getEmptyArgsInstance() {
            return new Struct(method.arguments(), Map.of());
        }

        @Override
        public Struct getEmptyResultInstance() {
            return isOneway() ? null : new Struct(method.result(), Map.of());
        }
    }
}
