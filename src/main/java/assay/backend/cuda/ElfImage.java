package assay.backend.cuda;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A 64-bit little-endian ELF shared library in memory: what it needs, which symbol versions, where
 * it looks, and the change of one needed library's name. Names and offsets are those of the ELF
 * specification (gABI, chapter 5, and the LSB's chapter on symbol versioning). Everything read is
 * checked against the size of the file.
 */
final class ElfImage {
  private static final int PT_LOAD = 1;
  private static final int PT_DYNAMIC = 2;
  private static final long DT_NULL = 0;
  private static final long DT_NEEDED = 1;
  private static final long DT_STRTAB = 5;
  private static final long DT_STRSZ = 10;
  private static final long DT_SONAME = 14;
  private static final long DT_RPATH = 15;
  private static final long DT_RUNPATH = 29;
  private static final long DT_VERNEED = 0x6ffffffeL;
  private static final long DT_VERNEEDNUM = 0x6fffffffL;
  private final ByteBuffer image;
  private final List<Segment> segments = new ArrayList<>();
  private final List<Dynamic> dynamics = new ArrayList<>();
  private final long stringsOffset;
  private final long stringsBytes;

  private record Segment(long address, long offset, long fileBytes) {}

  private record Dynamic(long tag, long value) {}

  /**
   * One needed symbol version.
   *
   * @param file the library that has it
   * @param version its name
   * @param hash as stored, to be equal to {@link #hash} of the name
   */
  record NeededVersion(String file, String version, int hash, long fileNameAt, long entryAt) {}

  /**
   * Reads the headers.
   *
   * @throws IllegalArgumentException when it is no such library
   */
  ElfImage(byte[] bytes) {
    image = ByteBuffer.wrap(bytes.clone()).order(ByteOrder.LITTLE_ENDIAN);
    if (bytes.length < 64 || image.getInt(0) != 0x464c457f || bytes[4] != 2 || bytes[5] != 1) {
      throw new IllegalArgumentException("no 64-bit little-endian ELF file");
    }
    readSegments();
    stringsOffset = offset(dynamic(DT_STRTAB).orElseThrow(() -> broken("no DT_STRTAB")));
    stringsBytes = dynamic(DT_STRSZ).orElseThrow(() -> broken("no DT_STRSZ"));
    check(stringsOffset, stringsBytes);
  }

  private static IllegalArgumentException broken(String what) {
    return new IllegalArgumentException("broken ELF file: " + what);
  }

  private int check(long at, long bytes) {
    if (at < 0 || bytes < 0 || at > image.limit() - bytes) {
      throw broken(bytes + " bytes at " + at + " of " + image.limit());
    }
    return (int) at;
  }

  private void readSegments() {
    long table = image.getLong(32);
    int entryBytes = Short.toUnsignedInt(image.getShort(54));
    int count = Short.toUnsignedInt(image.getShort(56));
    for (int i = 0; i < count; i++) {
      int at = check(table + (long) i * entryBytes, 56);
      long offset = image.getLong(at + 8);
      long fileBytes = image.getLong(at + 32);
      switch (image.getInt(at)) {
        case PT_LOAD -> segments.add(new Segment(image.getLong(at + 16), offset, fileBytes));
        case PT_DYNAMIC -> readDynamics(offset, fileBytes);
        default -> {
          // Not needed here.
        }
      }
    }
  }

  private void readDynamics(long offset, long bytes) {
    check(offset, bytes);
    for (long at = offset; at + 16 <= offset + bytes; at += 16) {
      long tag = image.getLong((int) at);
      if (tag == DT_NULL) {
        return;
      }
      dynamics.add(new Dynamic(tag, image.getLong((int) at + 8)));
    }
  }

  private Optional<Long> dynamic(long tag) {
    return dynamics.stream().filter(d -> d.tag == tag).map(Dynamic::value).findFirst();
  }

  /** Where an address of the loaded library lies in the file. */
  private long offset(long address) {
    for (Segment s : segments) {
      if (address >= s.address && address < s.address + s.fileBytes) {
        return address - s.address + s.offset;
      }
    }
    throw broken("address " + Long.toHexString(address) + " is in no segment");
  }

  private String string(long index) {
    if (index < 0 || index >= stringsBytes) {
      throw broken("string " + index);
    }
    int from = (int) (stringsOffset + index);
    int to = from;
    while (to < stringsOffset + stringsBytes && image.get(to) != 0) {
      to++;
    }
    return new String(image.array(), from, to - from, StandardCharsets.US_ASCII);
  }

  private List<String> strings(long tag) {
    return dynamics.stream().filter(d -> d.tag == tag).map(d -> string(d.value)).toList();
  }

  /** Libraries that it needs (DT_NEEDED). */
  List<String> needed() {
    return strings(DT_NEEDED);
  }

  /** Its own soname. */
  Optional<String> soname() {
    return strings(DT_SONAME).stream().findFirst();
  }

  /** Where it looks for what it needs: DT_RUNPATH or DT_RPATH. */
  Optional<String> runPath() {
    List<String> found = new ArrayList<>(strings(DT_RUNPATH));
    found.addAll(strings(DT_RPATH));
    return found.stream().findFirst();
  }

  /** Symbol versions that it needs of other libraries. */
  List<NeededVersion> neededVersions() {
    List<NeededVersion> out = new ArrayList<>();
    Optional<Long> address = dynamic(DT_VERNEED);
    if (address.isEmpty()) {
      return out;
    }
    long at = offset(address.get());
    long count = dynamic(DT_VERNEEDNUM).orElse(0L);
    for (long i = 0; i < count; i++) {
      int need = check(at, 16);
      String file = string(Integer.toUnsignedLong(image.getInt(need + 4)));
      long aux = at + Integer.toUnsignedLong(image.getInt(need + 8));
      int versions = Short.toUnsignedInt(image.getShort(need + 2));
      for (int v = 0; v < versions; v++) {
        int entry = check(aux, 16);
        String name = string(Integer.toUnsignedLong(image.getInt(entry + 8)));
        out.add(new NeededVersion(file, name, image.getInt(entry), at, aux));
        long next = Integer.toUnsignedLong(image.getInt(entry + 12));
        if (next == 0) {
          break;
        }
        aux += next;
      }
      long next = Integer.toUnsignedLong(image.getInt(need + 12));
      if (next == 0) {
        break; // the last one, whatever the count says
      }
      at += next;
    }
    return out;
  }

  /** The hash of a symbol version's name (the SysV ABI's function for symbol tables). */
  static int hash(String name) {
    int h = 0;
    for (byte c : name.getBytes(StandardCharsets.US_ASCII)) {
      h = (h << 4) + (c & 0xff);
      int high = h & 0xf0000000;
      h ^= high >>> 24;
      h &= ~high;
    }
    return h;
  }

  /**
   * The same library bound to another one: {@code from} becomes {@code to}, of equal length, in the
   * list of needed libraries and as the name of its symbol versions, and needed libraries are
   * looked for beside the file itself.
   *
   * @throws IllegalArgumentException when it does not need {@code from}, or the strings do not fit
   */
  byte[] relinked(String from, String to) {
    if (from.length() != to.length() || !needed().contains(from)) {
      throw new IllegalArgumentException(
          "cannot bind to %s in place of %s: it needs %s".formatted(to, from, needed()));
    }
    ByteBuffer out = ByteBuffer.wrap(image.array().clone()).order(ByteOrder.LITTLE_ENDIAN);
    for (NeededVersion v : neededVersions()) {
      if (v.version.equals(from)) {
        out.putInt((int) v.entryAt, hash(to));
      }
    }
    // One string serves as name of the library and of its version; were it stored twice, both would
    // be found here.
    for (Dynamic d : dynamics) {
      if (d.tag == DT_NEEDED && string(d.value).equals(from)) {
        put(out, d.value, to);
      }
      if ((d.tag == DT_RUNPATH || d.tag == DT_RPATH)
          && string(d.value).length() >= "$ORIGIN".length()) {
        put(out, d.value, "$ORIGIN");
      }
    }
    for (NeededVersion v : neededVersions()) {
      if (v.file.equals(from)) {
        put(out, Integer.toUnsignedLong(image.getInt((int) v.fileNameAt + 4)), to);
      }
      if (v.version.equals(from)) {
        put(out, Integer.toUnsignedLong(image.getInt((int) v.entryAt + 8)), to);
      }
    }
    return out.array();
  }

  private void put(ByteBuffer out, long index, String text) {
    int at = check(stringsOffset + index, text.length() + 1L);
    out.put(at, text.getBytes(StandardCharsets.US_ASCII));
    out.put(at + text.length(), (byte) 0);
  }
}
