package assay.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.testing.Requires;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The relinking of JCublas' native, on the file itself. */
class ElfImageTest {
  private static byte[] jcublas() throws IOException {
    try (InputStream in = ElfImageTest.class.getResourceAsStream("/lib/" + JcudaNatives.CUBLAS)) {
      return in.readAllBytes();
    }
  }

  @Test
  void hashesAreThoseOfTheLinker() {
    assertEquals(0x0ef62132, ElfImage.hash("libcublas.so.12"));
    assertEquals(0x0ef62133, ElfImage.hash("libcublas.so.13"));
    assertEquals(0x09691a75, ElfImage.hash("GLIBC_2.2.5"));
  }

  @Test
  void readsWhatIsNeeded() throws IOException {
    ElfImage image = new ElfImage(jcublas());
    assertEquals(JcudaNatives.CUBLAS, image.soname().orElseThrow());
    assertTrue(image.needed().contains("libcublas.so.12"), image.needed().toString());
    assertTrue(image.needed().contains("libc.so.6"));
    assertEquals("/usr/local/cuda-12.0/lib64", image.runPath().orElseThrow());
    for (ElfImage.NeededVersion v : image.neededVersions()) {
      assertEquals(ElfImage.hash(v.version()), v.hash(), v.toString());
    }
  }

  @Test
  void relinksToCublas13AndChangesNothingElse() throws IOException {
    byte[] before = jcublas();
    byte[] after = new ElfImage(before).relinked("libcublas.so.12", "libcublas.so.13");
    ElfImage image = new ElfImage(after);
    List<String> needed = new java.util.ArrayList<>(new ElfImage(before).needed());
    needed.replaceAll(n -> n.equals("libcublas.so.12") ? "libcublas.so.13" : n);
    assertEquals(needed, image.needed());
    assertEquals("$ORIGIN", image.runPath().orElseThrow());
    assertEquals(
        List.of("libcublas.so.13 libcublas.so.13 ef62133"),
        image.neededVersions().stream()
            .filter(v -> v.file().startsWith("libcublas"))
            .map(v -> v.file() + " " + v.version() + " " + Integer.toHexString(v.hash()))
            .toList());
    assertEquals(before.length, after.length);
    int different = 0;
    for (int i = 0; i < before.length; i++) {
      different += before[i] == after[i] ? 0 : 1;
    }
    // One digit of the name, one byte of the hash, and the first eight of the search path.
    assertTrue(different >= 3 && different <= 10, different + " bytes differ");
  }

  @Test
  void readelfAgrees(@TempDir Path folder) throws Exception {
    Requires.tool("readelf");
    Path file = folder.resolve("relinked.so");
    Files.write(file, new ElfImage(jcublas()).relinked("libcublas.so.12", "libcublas.so.13"));
    Process p = new ProcessBuilder("readelf", "-dVW", file.toString()).start();
    String said =
        new String(p.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
    assertEquals(0, p.waitFor());
    assertTrue(said.contains("(NEEDED)             Shared library: [libcublas.so.13]"), said);
    assertTrue(said.contains("Library runpath: [$ORIGIN]"), said);
    assertTrue(
        said.matches("(?s).*File: libcublas\\.so\\.13 +Cnt: 1.*Name: libcublas\\.so\\.13 .*"),
        said);
    assertFalse(said.contains("libcublas.so.12"), said);
  }

  @Test
  void refusesWhatItCannotBind() throws IOException {
    ElfImage image = new ElfImage(jcublas());
    assertThrows(
        IllegalArgumentException.class,
        () -> image.relinked("libcublas.so.12", "libcublas.so.130"));
    assertThrows(
        IllegalArgumentException.class, () -> image.relinked("libcublas.so.11", "libcublas.so.13"));
  }

  /** Broken files are said to be broken; none ends in another exception or a loop. */
  @Test
  void brokenFilesAreRefused() throws IOException {
    byte[] good = java.util.Arrays.copyOf(jcublas(), jcublas().length);
    assertThrows(IllegalArgumentException.class, () -> new ElfImage(new byte[10]));
    assertThrows(
        IllegalArgumentException.class,
        () -> new ElfImage("no ELF".repeat(50).getBytes(java.nio.charset.StandardCharsets.UTF_8)));
    for (int length : new int[] {64, 100, 600, 4096, 60_000, 90_000, 1_000_000}) {
      assertThrows(
          IllegalArgumentException.class,
          () -> new ElfImage(java.util.Arrays.copyOf(good, length)).neededVersions());
    }
    Random random = new Random(5);
    for (int i = 0; i < 200; i++) {
      byte[] bad = good.clone();
      for (int n = 0; n < 8; n++) {
        bad[random.nextInt(n < 4 ? 1024 : bad.length)] = (byte) random.nextInt();
      }
      try {
        new ElfImage(bad).neededVersions();
      } catch (IllegalArgumentException e) {
        assertTrue(e.getMessage().contains("ELF"), e.toString());
      }
    }
    assertArrayEquals(good, jcublas());
  }
}
