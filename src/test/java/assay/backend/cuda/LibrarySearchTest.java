package assay.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LibrarySearchTest {
  @Test
  void knowsTheUsualPlacesInOrder(@TempDir Path root) throws IOException {
    List<String> places =
        List.of(
            "opt/mine/lib64",
            "opt/cuda-home/lib64",
            "opt/cuda-home/targets/x86_64-linux/lib",
            "opt/cuda-home",
            "usr/local/cuda/lib64",
            "usr/local/cuda",
            "usr/local/cuda-13.0/lib64",
            "usr/local/cuda-13.0",
            "usr/local/cuda-12.4/lib64",
            "usr/local/cuda-12.4",
            "usr/local/nvidia/lib64",
            "usr/local/nvidia",
            "usr/lib/x86_64-linux-gnu",
            "usr/lib/wsl/lib",
            "srv/env/lib/python3.11/site-packages/nvidia/curand/lib",
            "srv/env/lib/python3.11/site-packages/nvidia/cublas/lib",
            "home/me/.local/lib/python3.12/site-packages/nvidia/cu13/lib",
            "usr/local/lib/python3.10/dist-packages/nvidia/cublas/lib");
    for (String p : places) {
      Files.createDirectories(root.resolve(p));
    }
    Map<String, String> environment =
        Map.of(
            "LD_LIBRARY_PATH", "/opt/mine/lib64:/not/there:",
            "CUDA_HOME", "/opt/cuda-home",
            "VIRTUAL_ENV", "/srv/env",
            "HOME", "/home/me");
    List<Path> found = new LibrarySearch(root, environment, null, false).folders();
    // The toolkit's folders hold others of the list; only the order of those listed is asked for.
    assertEquals(
        places,
        found.stream().map(f -> root.relativize(f).toString()).filter(places::contains).toList());
    assertTrue(new LibrarySearch(root, Map.of(), null, false).open("libcuda.so.1").isEmpty());
  }
}
