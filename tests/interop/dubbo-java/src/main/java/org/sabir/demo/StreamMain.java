package org.sabir.demo;

import com.google.gson.JsonObject;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.ProtocolConfig;
import org.apache.dubbo.config.ReferenceConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.ServiceConfig;

/** A provider or consumer of {@link StreamService} in Triple: {@code StreamMain NAME [PORT]}. */
public final class StreamMain {
    private final ApplicationConfig application;
    private final Map<String, StreamService> made = new ConcurrentHashMap<>();

    private StreamMain(String name) {
        application = new ApplicationConfig(name);
        application.setQosEnable(false);
    }

    public static void main(String[] args) throws Exception {
        JsonLines control = new JsonLines();
        StreamMain peer = new StreamMain(args[0]);
        if (args.length > 1) {
            peer.export(Integer.parseInt(args[1]));
        } else {
            new StreamScenarios(peer::service).register(control);
        }
        control.ready(Map.of("name", args[0]));
        control.serve();
        System.exit(0);
    }

    private void export(int port) {
        ServiceConfig<StreamService> service = new ServiceConfig<>();
        service.setApplication(application);
        service.setProtocol(new ProtocolConfig("tri", port));
        service.setRegistry(new RegistryConfig("N/A"));
        service.setInterface(StreamService.class);
        service.setRef(new StreamServiceImpl());
        service.export();
    }

    /** The service at the "url" of the command's "target", which is kept. */
    private StreamService service(JsonObject command) {
        return made.computeIfAbsent(command.getAsJsonObject("target").get("url").getAsString(), url -> {
            ReferenceConfig<StreamService> reference = new ReferenceConfig<>();
            reference.setApplication(application);
            reference.setInterface(StreamService.class);
            reference.setUrl(url);
            reference.setCheck(false);
            reference.setTimeout(10_000);
            return reference.get();
        });
    }
}
