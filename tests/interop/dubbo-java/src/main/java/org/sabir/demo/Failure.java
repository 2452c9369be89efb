package org.sabir.demo;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import org.apache.dubbo.rpc.RpcException;

/** What a consumer makes of a failed call. */
final class Failure {
    private Failure() {}

    /** The facts of the exception, and those of its innermost cause under "root". */
    static Map<String, Object> of(Throwable thrown) {
        Throwable root = thrown;
        while (root.getCause() != null) {
            root = root.getCause();
        }
        Map<String, Object> facts = facts(unwrap(thrown));
        facts.put("root", facts(root));
        return facts;
    }

    /** Class and message, the cause's class, and Dubbo's own code where there is one. */
    private static Map<String, Object> facts(Throwable failure) {
        Map<String, Object> facts = new LinkedHashMap<>();
        facts.put("class", failure.getClass().getName());
        facts.put("message", failure.getMessage());
        facts.put("cause", failure.getCause() == null ? null : failure.getCause().getClass().getName());
        if (failure instanceof RpcException rpc) {
            facts.put("code", rpc.getCode());
            facts.put("code_name", codeName(rpc));
        }
        if (failure instanceof UserNotFoundException missing) {
            facts.put("user_id", missing.getUserId());
        }
        return facts;
    }

    /** The consumer's own names for its codes. */
    private static String codeName(RpcException rpc) {
        if (rpc.isTimeout()) {
            return "timeout";
        } else if (rpc.isNetwork()) {
            return "network";
        } else if (rpc.isBiz()) {
            return "business";
        } else if (rpc.getCode() == RpcException.FORBIDDEN_EXCEPTION) {
            return "forbidden";
        } else if (rpc.isSerialization()) {
            return "serialization";
        } else if (rpc.isNoInvokerAvailableAfterFilter()) {
            return "no_invoker";
        } else if (rpc.isLimitExceed()) {
            return "limit_exceeded";
        }
        return "other";
    }

    private static Throwable unwrap(Throwable thrown) {
        Throwable failure = thrown;
        while ((failure instanceof ExecutionException || failure instanceof CompletionException)
                && failure.getCause() != null) {
            failure = failure.getCause();
        }
        return failure;
    }
}
