package assay.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.model.UserError;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Files that lie: each is refused with one line that names the file and what is wrong. */
class SafetensorsFileTest {
  @TempDir private Path folder;

  private Path file(String header, int dataBytes) throws IOException {
    return file(header.getBytes(StandardCharsets.UTF_8).length, header, dataBytes);
  }

  private Path file(long claimed, String header, int dataBytes) throws IOException {
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    ByteBuffer b = ByteBuffer.allocate(8 + json.length + dataBytes).order(ByteOrder.LITTLE_ENDIAN);
    b.putLong(claimed).put(json);
    return Files.write(folder.resolve("x.safetensors"), b.array());
  }

  private static void refused(Path file, String expected) {
    UserError e =
        assertThrows(UserError.class, () -> SafetensorsFile.open(file).close(), "accepted");
    assertTrue(e.getMessage().contains(expected), e.getMessage());
    assertTrue(e.getMessage().contains(file.toString()), e.getMessage());
    assertFalse(e.getMessage().contains("\n"), e.getMessage());
    assertEquals(2, e.exitCode());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}} | 15 | file holds 15",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,12]}} | 16 | takes 16 bytes",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[16,0]}} | 16 | claims bytes",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[-2,2],\"data_offsets\":[0,16]}} | 16 | whole numbers",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,16]}} | 16"
            + " | beyond",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,99999999999999999999]}} | 16 |"
            + " whole",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0]}} | 16 | expected 2",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4]}} | 16 | data_offsets is absent",
        "{\"a\":{\"shape\":[4],\"data_offsets\":[0,16]}} | 16 | no dtype",
        "{\"a\":7} | 16 | no dtype",
        "[] | 16 | expected a JSON object",
        "{\"a\": | 16 | not valid JSON",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[7,15]}}"
            + " | 16 | overlap",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]},\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[8,16]}}"
            + " | 16 | not valid JSON",
      })
  void lyingHeaders(String header, int dataBytes, String expected) throws IOException {
    refused(file(header, dataBytes), expected);
  }

  @ParameterizedTest
  @CsvSource({"100", "-1", "9223372036854775807", "0", "1"})
  void lyingHeaderLength(long claimed) throws IOException {
    refused(file(claimed, "{}", 4), "header claims");
  }

  @Test
  void tooShort() throws IOException {
    refused(Files.write(folder.resolve("s.safetensors"), new byte[7]), "too short");
    refused(Files.write(folder.resolve("e.safetensors"), new byte[0]), "too short");
    refused(folder.resolve("absent.safetensors"), "no such file");
    refused(folder, "folder");
  }

  @Test
  void unknownTypesAreListedButHaveNoValues() throws IOException {
    Path p = file("{\"a\":{\"dtype\":\"F4\",\"shape\":[4],\"data_offsets\":[0,2]}}", 2);
    try (SafetensorsFile f = SafetensorsFile.open(p)) {
      assertEquals("F4", f.entries().get("a").dtype());
      assertEquals(null, f.entries().get("a").type());
    }
  }

  @Test
  void deeplyNestedJsonIsNoStackOverflow() throws IOException {
    refused(file("{\"a\":" + "[".repeat(200_000), 0), "not valid JSON");
  }
}
