package assay.tokenizer.jinja;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A for statement. Names that are set inside are forgotten after each round. */
record Loop(
    List<String> targets,
    Expression over,
    @Nullable Expression only,
    List<Statement> body,
    List<Statement> otherwise)
    implements Statement {

  @Override
  public Flow run(Scope scope, Output out) {
    List<@Nullable Object> elements = elements(scope);
    if (elements.isEmpty()) {
      return Statement.runAll(otherwise, scope.inner(), out);
    }
    for (int i = 0; i < elements.size(); i++) {
      scope.step();
      Scope round = scope.inner();
      round.set("loop", position(elements, i));
      TemplateParser.bind(round, targets, elements.get(i));
      if (Statement.runAll(body, round, out) == Flow.BREAK) {
        break;
      }
    }
    return Flow.ON;
  }

  private List<@Nullable Object> elements(Scope scope) {
    List<@Nullable Object> all = Values.elements(over.evaluate(scope));
    if (only == null) {
      return all;
    }
    List<@Nullable Object> kept = new ArrayList<>();
    for (Object e : all) {
      Scope trial = scope.inner();
      TemplateParser.bind(trial, targets, e);
      if (Values.truth(only.evaluate(trial))) {
        kept.add(e);
      }
    }
    return kept;
  }

  private static Map<String, @Nullable Object> position(List<@Nullable Object> elements, int i) {
    long n = elements.size();
    Map<String, @Nullable Object> loop = new LinkedHashMap<>();
    loop.put("index", i + 1L);
    loop.put("index0", (long) i);
    loop.put("revindex", n - i);
    loop.put("revindex0", n - i - 1);
    loop.put("first", i == 0);
    loop.put("last", i == n - 1);
    loop.put("length", n);
    loop.put("previtem", i > 0 ? elements.get(i - 1) : new Undefined("loop.previtem"));
    loop.put("nextitem", i < n - 1 ? elements.get(i + 1) : new Undefined("loop.nextitem"));
    Callable cycle = (arguments, named) -> arguments.get(i % arguments.size());
    loop.put("cycle", cycle);
    return loop;
  }
}
