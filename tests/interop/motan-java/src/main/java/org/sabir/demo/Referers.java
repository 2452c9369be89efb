package org.sabir.demo;

import com.google.gson.JsonObject;
import com.weibo.api.motan.config.ProtocolConfig;
import com.weibo.api.motan.config.RefererConfig;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Remote services by the part of a command that describes them, made once and then shared. */
final class Referers {
    private final String application;
    private final Map<String, UserService> made = new ConcurrentHashMap<>();

    Referers(String application) {
        this.application = application;
    }

    UserService user(JsonObject command) {
        JsonObject target = command.getAsJsonObject("target");
        return made.computeIfAbsent(target.toString(), key -> refer(target));
    }

    /**
     * "target": address (several with commas), group, version, protocol ("motan2", or "motan" for
     * version 1), serialization, timeout (ms), retries, connections, gzip (bytes), codec.
     */
    private UserService refer(JsonObject target) {
        ProtocolConfig protocol = new ProtocolConfig();
        protocol.setId("client");
        protocol.setName(text(target, "protocol", "motan2"));
        protocol.setSerialization(text(target, "serialization", "hessian2"));
        protocol.setFilter("wire");
        if (target.has("codec")) {
            protocol.setCodec(target.get("codec").getAsString());
        }
        protocol.setMinClientConnection(number(target, "connections", 2));
        protocol.setMaxClientConnection(number(target, "connections", 10));
        RefererConfig<UserService> referer = new RefererConfig<>();
        referer.setInterface(UserService.class);
        referer.setApplication(application);
        referer.setGroup(target.get("group").getAsString());
        referer.setVersion(target.get("version").getAsString());
        referer.setDirectUrl(target.get("address").getAsString());
        referer.setRequestTimeout(number(target, "timeout", 10_000));
        referer.setRetries(number(target, "retries", 0));
        referer.setCheck("false");
        referer.setAsyncInitConnection(false);
        if (target.has("gzip")) {
            referer.setUsegz(true);
            referer.setMingzSize(target.get("gzip").getAsInt());
        }
        referer.setProtocol(protocol);
        return referer.getRef();
    }

    private static String text(JsonObject target, String key, String otherwise) {
        return target.has(key) ? target.get(key).getAsString() : otherwise;
    }

    private static int number(JsonObject target, String key, int otherwise) {
        return target.has(key) ? target.get(key).getAsInt() : otherwise;
    }
}
