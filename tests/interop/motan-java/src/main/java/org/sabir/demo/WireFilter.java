package org.sabir.demo;

import com.weibo.api.motan.core.extension.SpiMeta;
import com.weibo.api.motan.filter.Filter;
import com.weibo.api.motan.rpc.Caller;
import com.weibo.api.motan.rpc.DefaultRequest;
import com.weibo.api.motan.rpc.Provider;
import com.weibo.api.motan.rpc.Request;
import com.weibo.api.motan.rpc.Response;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;

/**
 * Sees each call at the provider and each answer at the client, so that a test can ask what was on
 * the wire and how often it arrived.
 */
@SpiMeta(name = "wire")
public class WireFilter implements Filter {
    private static final Map<String, LongAdder> COUNTS = new ConcurrentHashMap<>();
    private static final ThreadLocal<Map<String, String>> SEEN = new ThreadLocal<>();

    /** How many calls arrived here, by the method's name. */
    static Map<String, Long> counts() {
        Map<String, Long> counts = new TreeMap<>();
        COUNTS.forEach((method, count) -> counts.put(method, count.sum()));
        return counts;
    }

    /** Attachments of the call that this thread serves, or of the answer it got last. */
    static Map<String, String> seen() {
        return SEEN.get();
    }

    @Override
    public Response filter(Caller<?> caller, Request request) {
        if (caller instanceof Provider<?>) {
            COUNTS.computeIfAbsent(request.getMethodName(), method -> new LongAdder()).increment();
            Map<String, String> seen = new HashMap<>(request.getAttachments());
            seen.put("protocol version", String.valueOf(((DefaultRequest) request).getRpcProtocolVersion()));
            SEEN.set(seen);
            Response response = caller.call(request);
            response.setAttachment("x-secret", "not for clients");
            return response;
        }
        Response response = caller.call(request);
        SEEN.set(new HashMap<>(response.getAttachments()));
        return response;
    }
}
