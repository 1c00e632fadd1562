package assay.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaMethodCall;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/** Every native function that is used is looked up first: a missing one would end the JVM. */
class CudaSymbolsTest {
  /** JCuda methods whose native function has another name. */
  private static final Map<String, String> OTHER_NAMES =
      Map.of(
          "cuModuleLoadDataJIT", "cuModuleLoadDataEx",
          "cuGraphInstantiate", "cuGraphInstantiateWithFlags",
          "cublasGemmEx_new", "cublasGemmEx",
          "cublasGemmStridedBatchedEx_new", "cublasGemmStridedBatchedEx");

  private static String strings(String library) throws IOException {
    try (InputStream in = CudaSymbolsTest.class.getResourceAsStream("/lib/" + library)) {
      return new String(in.readAllBytes(), StandardCharsets.ISO_8859_1);
    }
  }

  @Test
  void theNamesAreThoseThatJcudaImports() throws IOException {
    check(CudaSymbols.DRIVER, JcudaNatives.DRIVER);
    check(CudaSymbols.CUBLAS, JcudaNatives.CUBLAS);
    check(CudaSymbols.CURAND, JcudaNatives.CURAND);
  }

  private static void check(List<String> symbols, String library) throws IOException {
    String strings = strings(library);
    for (String s : symbols) {
      assertTrue(strings.contains("\0" + s + "\0"), library + " does not import " + s);
    }
  }

  @Test
  void everyJcudaCallIsListed() {
    var unlisted = new TreeSet<String>();
    int calls = 0;
    for (JavaClass c :
        new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("assay.backend.cuda")) {
      for (JavaMethodCall call : c.getMethodCallsFromSelf()) {
        String owner = call.getTargetOwner().getSimpleName();
        String name = call.getName();
        List<String> listed =
            switch (owner) {
              case "JCudaDriver" -> CudaSymbols.DRIVER;
              case "JCublas2" -> CudaSymbols.CUBLAS;
              case "JCurand" -> CudaSymbols.CURAND;
              default -> List.of();
            };
        if (!listed.isEmpty() && name.startsWith("cu")) {
          calls++;
          String wanted = OTHER_NAMES.getOrDefault(name, name);
          if (listed.stream().noneMatch(s -> s.replaceAll("_v\\d$", "").equals(wanted))) {
            unlisted.add(owner + "." + name);
          }
        }
      }
    }
    assertTrue(calls > 40, calls + " calls found");
    assertEquals(new TreeSet<>(), unlisted);
  }

  /** What tells the launches in a profiler's output apart knows every kernel. */
  @Test
  void everyKernelHasItsPlaceAmongTheHardwareCounters() {
    var unknown = new TreeSet<String>();
    for (Kernel k : Kernel.values()) {
      for (Kernel.Entry e : k.entries()) {
        if (!assay.measure.inspect.HardwareCounters.isOurs(e.name())) {
          unknown.add(e.name());
        }
      }
    }
    assertEquals(new TreeSet<>(), unknown, "say in HardwareCounters what they belong to");
  }
}
