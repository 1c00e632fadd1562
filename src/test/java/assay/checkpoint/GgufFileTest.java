package assay.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.model.DType;
import assay.model.UserError;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Files that lie: each is refused with one line that names the file and what is wrong. */
class GgufFileTest {
  private static final int UINT32 = 4;
  private static final int STRING = 8;
  private static final int ARRAY = 9;

  @TempDir private Path folder;

  private static LittleEndianBytes header(int version, long tensors, long pairs) {
    return new LittleEndianBytes().int32(0x46554747).int32(version).int64(tensors).int64(pairs);
  }

  private Path file(LittleEndianBytes b) throws IOException {
    return Files.write(folder.resolve("x.gguf"), b.toBytes());
  }

  private void refused(LittleEndianBytes b, String expected) throws IOException {
    Path file = file(b);
    UserError e = assertThrows(UserError.class, () -> GgufFile.open(file).close(), "accepted");
    assertTrue(e.getMessage().contains(expected), e.getMessage());
    assertTrue(e.getMessage().contains(file.toString()), e.getMessage());
    assertFalse(e.getMessage().contains("\n"), e.getMessage());
    assertEquals(2, e.exitCode());
  }

  private static LittleEndianBytes tensor(Consumer<LittleEndianBytes> rest) {
    LittleEndianBytes b = header(3, 1, 0).string("t");
    rest.accept(b);
    return b;
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void aSmallFileIsRead(int version) throws IOException {
    LittleEndianBytes b = header(version, 1, 3);
    b.string("general.alignment").int32(UINT32).int32(64);
    b.string("name").int32(STRING).string("é");
    b.string("list").int32(ARRAY).int32(STRING).int64(2).string("a").string("bc");
    b.string("t").int32(2).int64(3).int64(2).int32(0).int64(0);
    while (b.size() % 64 != 0) {
      b.int8(0);
    }
    for (int i = 0; i < 6; i++) {
      b.int32(Float.floatToIntBits(i));
    }
    try (GgufFile f = GgufFile.open(file(b))) {
      assertEquals(version, f.version());
      assertEquals("é", f.string("name"));
      assertEquals("bc", new String(f.array("list").strings()[1], StandardCharsets.UTF_8));
      GgufFile.Entry t = f.entries().get("t");
      assertEquals(DType.F32, t.type());
      assertEquals(List.of(2L, 3L), t.shape());
      assertEquals(5f, t.data().get(GgufCursor.FLOAT, 20));
      assertThrows(UserError.class, () -> f.integer("name"));
      assertThrows(UserError.class, () -> f.string("absent"));
      assertThrows(UserError.class, () -> f.array("list").ints());
    }
  }

  @Test
  void notAFileOfThisKind() throws IOException {
    refused(new LittleEndianBytes(), "not a GGUF file");
    refused(new LittleEndianBytes().int32(1), "not a GGUF file");
    refused(new LittleEndianBytes().int32(0x46554747), "the version needs 4 bytes");
    refused(header(1, 0, 0), "version 1: expected 2 or 3");
    refused(header(4, 0, 0), "version 4: expected 2 or 3");
    refused(header(Integer.reverseBytes(3), 0, 0), "big-endian");
    assertThrows(UserError.class, () -> GgufFile.open(folder));
    assertThrows(UserError.class, () -> GgufFile.open(folder.resolve("absent.gguf")));
  }

  @ParameterizedTest
  @ValueSource(longs = {40, 1000, 1L << 40, Long.MAX_VALUE, -1})
  void lyingCounts(long count) throws IOException {
    refused(header(3, count, 0), "tensors");
    refused(header(3, 0, count), "metadata pairs");
    refused(
        header(3, 0, 1).string("key").int32(ARRAY).int32(UINT32).int64(count), "elements of key");
    refused(header(3, 0, 1).string("key").int32(ARRAY).int32(STRING).int64(count), "key");
    refused(header(3, 0, 1).int64(count).int32(UINT32).int32(0), "a metadata key");
    refused(header(3, 0, 1).string("key").int32(STRING).int64(count), "key");
    refused(header(3, 1, 0).int64(count).int64(0).int64(0), "a tensor's name");
  }

  @Test
  void nestedArrays() throws IOException {
    LittleEndianBytes deep = header(3, 0, 1).string("key").int32(ARRAY);
    for (int i = 0; i < 100_000; i++) {
      deep.int32(ARRAY).int64(1);
    }
    refused(deep, "nests arrays");
    LittleEndianBytes fine =
        header(3, 0, 1).string("key").int32(ARRAY).int32(ARRAY).int64(1).int32(UINT32).int64(2);
    try (GgufFile f = GgufFile.open(file(fine.int32(1).int32(2)))) {
      assertEquals("array[1]", f.array("key").toString());
      assertThrows(UserError.class, () -> f.array("key").strings());
    }
  }

  @Test
  void wrongTypesAndTwins() throws IOException {
    refused(header(3, 0, 1).string("key").int32(13).int64(0), "unknown type 13");
    refused(header(3, 0, 1).string("key").int32(-1).int64(0), "unknown type 4294967295");
    LittleEndianBytes twins = header(3, 0, 2);
    twins.string("key").int32(UINT32).int32(1).string("key").int32(UINT32).int32(2);
    refused(twins, "'key' stands twice");
    LittleEndianBytes two = header(3, 2, 0);
    for (int i = 0; i < 2; i++) {
      two.string("t").int32(1).int64(1).int32(0).int64(0);
    }
    refused(two, "two tensors are called 't'");
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 3, 48, -32, 1 << 21, Integer.MIN_VALUE})
  void lyingAlignment(int alignment) throws IOException {
    LittleEndianBytes b = header(3, 0, 1);
    refused(b.string("general.alignment").int32(UINT32).int32(alignment), "general.alignment");
  }

  @Test
  void lyingTensors() throws IOException {
    refused(tensor(b -> b.int32(0).int64(0).int64(0)), "0 dimensions");
    refused(tensor(b -> b.int32(5).int64(0).int64(0)), "5 dimensions");
    refused(tensor(b -> b.int32(1).int64(0).int32(0).int64(0)), "dimension 0 is 0");
    refused(tensor(b -> b.int32(1).int64(-8).int32(0).int64(0)), "expected 1 or more");
    refused(
        tensor(b -> b.int32(2).int64(1L << 32).int64(1L << 32).int32(0).int64(0)), "dimension 1");
    refused(tensor(b -> b.int32(1).int64(1L << 62).int32(0).int64(0)), "beyond any memory");
    refused(tensor(b -> b.int32(1).int64(8).int32(0).int64(0)), "claims 32 bytes");
    refused(tensor(b -> b.int32(1).int64(8).int32(0).int64(7)), "multiple of the alignment");
    refused(tensor(b -> b.int32(1).int64(8).int32(0).int64(-32)), "multiple of the alignment");
    refused(tensor(b -> b.int32(1).int64(8).int32(0).int64(1L << 62)), "the file holds");
    refused(tensor(b -> b.int32(1).int64(33).int32(8).int64(0)), "blocks of 32");
    refused(tensor(b -> b.int32(1).int64(256).int32(10).int64(0)), "type Q2_K");
    refused(tensor(b -> b.int32(1).int64(8).int32(99).int64(0)), "number 99");
  }
}
