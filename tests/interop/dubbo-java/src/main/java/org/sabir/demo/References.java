package org.sabir.demo;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.MethodConfig;
import org.apache.dubbo.config.ReferenceConfig;
import org.apache.dubbo.rpc.service.GenericService;

/** Remote services by the part of a command that describes them, made once and then shared. */
final class References {
    private final ApplicationConfig application;
    private final Map<String, ReferenceConfig<?>> made = new ConcurrentHashMap<>();

    References(String name) {
        application = new ApplicationConfig(name);
        application.setQosEnable(false);
    }

    UserService user(JsonObject command) {
        return (UserService) reference(command, false).get();
    }

    GenericService generic(JsonObject command) {
        return (GenericService) reference(command, true).get();
    }

    private ReferenceConfig<?> reference(JsonObject command, boolean generic) {
        JsonObject target = command.getAsJsonObject("target");
        return made.computeIfAbsent(generic + target.toString(), key -> refer(target, generic));
    }

    /** "target": url, timeout (ms), retries, connections, group, version, params. */
    private ReferenceConfig<?> refer(JsonObject target, boolean generic) {
        ReferenceConfig<Object> reference = new ReferenceConfig<>();
        reference.setApplication(application);
        reference.setInterface(UserService.class.getName());
        reference.setUrl(target.get("url").getAsString());
        reference.setGroup(text(target, "group"));
        reference.setVersion(text(target, "version"));
        reference.setCheck(false);
        reference.setCallbacks(ProviderMain.CALLBACKS);
        reference.setTimeout(number(target, "timeout", 10_000));
        if (target.has("retries")) {
            reference.setRetries(target.get("retries").getAsInt());
        }
        if (target.has("connections")) {
            reference.setConnections(target.get("connections").getAsInt());
        }
        if (generic) {
            reference.setGeneric("true");
        }
        // Dubbo 3.3 looks for the first only on a method that has a parameter without an index.
        Map<String, String> params =
                new HashMap<>(Map.of("subscribe.1.callback", "true", "subscribe.callback", "true"));
        if (target.has("params")) {
            for (Map.Entry<String, JsonElement> param : target.getAsJsonObject("params").entrySet()) {
                params.put(param.getKey(), param.getValue().getAsString());
            }
        }
        reference.setParameters(params);
        reference.setMethods(List.of(onewayMethod()));
        return reference;
    }

    /** Dubbo's "return" attribute of a method. */
    private static MethodConfig onewayMethod() {
        MethodConfig note = new MethodConfig();
        note.setName("note");
        note.setReturn(false);
        return note;
    }

    private static String text(JsonObject target, String key) {
        return target.has(key) ? target.get(key).getAsString() : null;
    }

    private static int number(JsonObject target, String key, int otherwise) {
        return target.has(key) ? target.get(key).getAsInt() : otherwise;
    }
}
