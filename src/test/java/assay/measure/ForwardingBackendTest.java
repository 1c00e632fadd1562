package assay.measure;

import static org.junit.jupiter.api.Assertions.assertEquals;

import assay.backend.Backend;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class ForwardingBackendTest {
  /** A default of the interface that is not handed on would run instead of the device's own. */
  @Test
  void everyMethodIsHandedOn() {
    List<String> kept =
        Arrays.stream(Backend.class.getMethods())
            .filter(m -> !declares(ForwardingBackend.class, m))
            .map(Method::getName)
            .toList();
    assertEquals(List.of(), kept);
  }

  private static boolean declares(Class<?> type, Method m) {
    return Arrays.stream(type.getDeclaredMethods())
        .anyMatch(
            d ->
                d.getName().equals(m.getName())
                    && Arrays.equals(d.getParameterTypes(), m.getParameterTypes()));
  }
}
