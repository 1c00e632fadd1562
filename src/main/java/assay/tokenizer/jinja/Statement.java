package assay.tokenizer.jinja;

import java.util.List;

/** A statement or a stretch of text, ready to be run. */
@FunctionalInterface
interface Statement {
  /** How a statement ends. */
  enum Flow {
    ON,
    BREAK,
    CONTINUE
  }

  Flow run(Scope scope, Output out);

  /** Runs one after another; stops at a break or continue. */
  static Flow runAll(List<Statement> statements, Scope scope, Output out) {
    for (Statement s : statements) {
      scope.step();
      Flow flow = s.run(scope, out);
      if (flow != Flow.ON) {
        return flow;
      }
    }
    return Flow.ON;
  }
}
