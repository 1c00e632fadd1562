package assay.tokenizer;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * Cuts special tokens out of a text: the longest claim their places first, then the next longest in
 * what is left, as llama.cpp does. Which ones occur at all is found in one walk over the text,
 * since vocabularies may hold thousands.
 */
final class SpecialTokens {
  /** A stretch of the text, or a token in place of one. */
  record Fragment(int token, int from, int to) {
    boolean isToken() {
      return token >= 0;
    }
  }

  private static final class Node {
    private final Map<Byte, Node> next = new HashMap<>();
    private int token = -1;
  }

  private final Vocabulary vocabulary;
  private final Node always = new Node();
  private final Node onlyParsed = new Node();

  SpecialTokens(Vocabulary v) {
    this.vocabulary = v;
    for (int id = 0; id < v.size(); id++) {
      if (v.type(id).isSpecial()) {
        insert(v.type(id).isHidden() ? onlyParsed : always, v.text(id), id);
      }
    }
  }

  private static void insert(Node root, byte[] text, int id) {
    Node n = root;
    for (byte b : text) {
      n = n.next.computeIfAbsent(b, key -> new Node());
    }
    n.token = id;
  }

  /** The text in fragments, in order. */
  List<Fragment> split(byte[] text, boolean parseSpecial) {
    TreeSet<Integer> found =
        new TreeSet<>(
            Comparator.<Integer>comparingInt(id -> -vocabulary.text(id).length)
                .thenComparingInt(id -> id));
    find(always, text, found);
    if (parseSpecial) {
      find(onlyParsed, text, found);
    }
    List<Fragment> fragments =
        text.length == 0 ? List.of() : List.of(new Fragment(-1, 0, text.length));
    for (int id : found) {
      fragments = cut(text, fragments, id);
    }
    return fragments;
  }

  private static void find(Node root, byte[] text, Set<Integer> found) {
    if (root.next.isEmpty()) {
      return;
    }
    for (int i = 0; i < text.length; i++) {
      Node n = root.next.get(text[i]);
      for (int j = i + 1; n != null; j++) {
        if (n.token >= 0) {
          found.add(n.token);
        }
        n = j < text.length ? n.next.get(text[j]) : null;
      }
    }
  }

  private List<Fragment> cut(byte[] text, List<Fragment> fragments, int id) {
    byte[] token = vocabulary.text(id);
    List<Fragment> out = new ArrayList<>();
    for (Fragment f : fragments) {
      if (f.isToken()) {
        out.add(f);
        continue;
      }
      int from = f.from();
      for (int at = indexOf(text, from, f.to(), token); at >= 0; ) {
        if (at > from) {
          out.add(new Fragment(-1, from, at));
        }
        out.add(new Fragment(id, at, at + token.length));
        from = at + token.length;
        at = indexOf(text, from, f.to(), token);
      }
      if (from < f.to()) {
        out.add(new Fragment(-1, from, f.to()));
      }
    }
    return out;
  }

  private static int indexOf(byte[] text, int from, int to, byte[] what) {
    for (int i = from; i <= to - what.length; i++) {
      if (text[i] == what[0]
          && java.util.Arrays.equals(text, i, i + what.length, what, 0, what.length)) {
        return i;
      }
    }
    return -1;
  }
}
