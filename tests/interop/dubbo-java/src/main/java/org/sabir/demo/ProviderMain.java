package org.sabir.demo;

import java.util.List;
import java.util.Map;
import org.apache.dubbo.common.Version;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.ArgumentConfig;
import org.apache.dubbo.config.MethodConfig;
import org.apache.dubbo.config.ProtocolConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.ServiceConfig;

/** A provider of {@link UserService}: {@code ProviderMain NAME PORT GROUP VERSION [PROTOCOL]}. */
public final class ProviderMain {
    /** Listeners one connection may have; Dubbo's own limit is one. */
    static final int CALLBACKS = 100;

    private ProviderMain() {}

    public static void main(String[] args) throws Exception {
        JsonLines control = new JsonLines();
        String name = args[0];
        export(name, args.length > 4 ? args[4] : "dubbo", Integer.parseInt(args[1]), args[2], args[3]);
        control.on("counts", arguments -> WireFilter.counts());
        control.ready(Map.of("name", name, "port", Integer.parseInt(args[1]), "dubbo", Version.getVersion()));
        control.serve();
        System.exit(0);
    }

    private static void export(String name, String spoken, int port, String group, String version) {
        ApplicationConfig application = new ApplicationConfig(name);
        application.setQosEnable(false);
        ProtocolConfig protocol = new ProtocolConfig(spoken, port);
        protocol.setThreads(100);
        protocol.setParameters(Map.of("prefer.serialization", "hessian2,fastjson2"));
        ServiceConfig<UserService> service = new ServiceConfig<>();
        service.setApplication(application);
        service.setProtocol(protocol);
        service.setRegistry(new RegistryConfig("N/A"));
        service.setInterface(UserService.class);
        service.setRef(new UserServiceImpl(name));
        service.setGroup(group);
        service.setVersion(version);
        service.setCallbacks(CALLBACKS);
        service.setMethods(List.of(callbackMethod()));
        service.export();
    }

    /** A consumer with a direct URL has to be told the same, see References. */
    private static MethodConfig callbackMethod() {
        ArgumentConfig listener = new ArgumentConfig();
        listener.setIndex(1);
        listener.setCallback(true);
        MethodConfig subscribe = new MethodConfig();
        subscribe.setName("subscribe");
        subscribe.setArguments(List.of(listener));
        return subscribe;
    }
}
