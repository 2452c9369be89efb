package org.sabir.demo;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import org.apache.dubbo.common.constants.CommonConstants;
import org.apache.dubbo.common.extension.Activate;
import org.apache.dubbo.rpc.Filter;
import org.apache.dubbo.rpc.Invocation;
import org.apache.dubbo.rpc.Invoker;
import org.apache.dubbo.rpc.Result;
import org.apache.dubbo.rpc.RpcInvocation;

/**
 * Sees each call before Dubbo's own provider filters take attachments away, so that a test can ask
 * what was on the wire and how often it arrived.
 */
@Activate(group = CommonConstants.PROVIDER, order = -30000)
public class WireFilter implements Filter {
    private static final Map<String, LongAdder> COUNTS = new ConcurrentHashMap<>();
    private static final ThreadLocal<Map<String, String>> SEEN = new ThreadLocal<>();

    /** How many calls arrived, by the method name in the message. */
    public static Map<String, Long> counts() {
        Map<String, Long> counts = new TreeMap<>();
        COUNTS.forEach((method, count) -> counts.put(method, count.sum()));
        return counts;
    }

    /** Attachments of the call this thread serves, and its serialization id under "serialization". */
    static Map<String, String> seen() {
        return SEEN.get();
    }

    @Override
    public Result invoke(Invoker<?> invoker, Invocation invocation) {
        COUNTS.computeIfAbsent(invocation.getMethodName(), method -> new LongAdder()).increment();
        Map<String, String> seen = new LinkedHashMap<>();
        invocation.getObjectAttachments().forEach((key, value) -> seen.put(key, String.valueOf(value)));
        seen.put("serialization", serialization(invocation));
        SEEN.set(seen);
        return invoker.invoke(invocation);
    }

    private static String serialization(Invocation invocation) {
        return String.valueOf(((RpcInvocation) invocation).get("serialization_id"));
    }
}
