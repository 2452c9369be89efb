package org.sabir.demo;

import com.weibo.api.motan.exception.MotanAbstractException;
import java.util.LinkedHashMap;
import java.util.Map;

/** What a client makes of a failed call. */
final class Failure {
    private Failure() {}

    /** Class and message, and Motan's own code where there is one. */
    static Map<String, Object> of(Throwable thrown) {
        Map<String, Object> facts = new LinkedHashMap<>();
        facts.put("class", thrown.getClass().getSimpleName());
        facts.put("message", thrown.getMessage());
        if (thrown instanceof MotanAbstractException motan) {
            facts.put("code", motan.getErrorCode());
        }
        return facts;
    }
}
