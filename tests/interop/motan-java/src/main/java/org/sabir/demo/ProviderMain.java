package org.sabir.demo;

import com.weibo.api.motan.common.MotanConstants;
import com.weibo.api.motan.config.ProtocolConfig;
import com.weibo.api.motan.config.RegistryConfig;
import com.weibo.api.motan.config.ServiceConfig;
import com.weibo.api.motan.util.MotanSwitcherUtil;
import java.util.Map;

/** A provider of {@link UserService}: {@code ProviderMain NAME PORT GROUP VERSION}. */
public final class ProviderMain {
    private ProviderMain() {}

    public static void main(String[] args) throws Exception {
        JsonLines control = new JsonLines();
        String name = args[0];
        export(name, args[1], args[2], args[3]);
        control.on("counts", arguments -> WireFilter.counts());
        control.ready(Map.of("name", name));
        control.serve();
        System.exit(0);
    }

    private static void export(String name, String port, String group, String version) {
        ProtocolConfig protocol = new ProtocolConfig();
        protocol.setId("motan2");
        protocol.setName("motan2");
        protocol.setFilter("wire");
        protocol.setMinWorkerThread(100);
        protocol.setMaxWorkerThread(200);
        RegistryConfig registry = new RegistryConfig();
        registry.setRegProtocol("local");
        ServiceConfig<UserService> service = new ServiceConfig<>();
        service.setInterface(UserService.class);
        service.setRef(new UserServiceImpl(name));
        service.setGroup(group);
        service.setVersion(version);
        service.setApplication(name);
        service.setRegistry(registry);
        service.setProtocol(protocol);
        service.setExport("motan2:" + port);
        service.export();
        MotanSwitcherUtil.setSwitcherValue(MotanConstants.REGISTRY_HEARTBEAT_SWITCHER, true);
    }
}
