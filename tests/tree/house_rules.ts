/**
 * Rules of this house in the form of a lint plugin: which file may use which part of the host, and how long a function
 * may be. The layout test runs it; `deno lint` itself now and then crashes with a plugin (Deno 2.9.6).
 */

/** Longest function in lines: what one screen shows. */
const FUNCTION_LINES_MAX = 60;

/** Members of `Deno` that lead to the host, and the files that may use them. */
const HOST_ACCESS: Readonly<Record<string, RegExp>> = {
  dlopen: new RegExp(
    "/src/(renderer/native_library|transport/rtp/native_ciphers|media/freed_memory|" +
      "ports/(socket_options|descriptor_limit|native_udp|shut_down))\\.ts$",
  ),
  env: /\/src\/config\//,
};

const CONSOLE_ALLOWED = /\/(src\/(cli|observability|viewer)|tests)\//;
const SOURCE = /\/(src\/|main\.ts$)/;

function checkLength(context: Deno.lint.RuleContext, node: Deno.lint.Node): void {
  const lines = context.sourceCode.getText(node).split("\n").length;
  if (lines <= FUNCTION_LINES_MAX) return;
  context.report({
    node,
    message: `Function has ${lines} lines, more than ${FUNCTION_LINES_MAX}: one idea each`,
  });
}

/** The rules; they look at the files of src and at main.ts. */
export const HOUSE_RULES: Deno.lint.Plugin = {
  name: "house",
  rules: {
    "short-functions": {
      create(context) {
        if (!SOURCE.test(context.filename)) return {};
        const check = (node: Deno.lint.Node) => checkLength(context, node);
        return { FunctionDeclaration: check, FunctionExpression: check };
      },
    },
    // A spread or a destructuring freezes what a getter would read each time; a function is handed on as it is.
    "no-getters-in-objects": {
      create(context) {
        if (!SOURCE.test(context.filename)) return {};
        return {
          ObjectExpression({ properties }) {
            for (const property of properties) {
              if (property.type !== "Property" || property.kind !== "get") continue;
              context.report({ node: property, message: "A function, not a getter: see Live" });
            }
          },
        };
      },
    },
    "host-access": {
      create(context) {
        if (!SOURCE.test(context.filename)) return {};
        return {
          MemberExpression({ object, property }) {
            if (object.type !== "Identifier" || property.type !== "Identifier") return;
            const allowed = object.name === "Deno" ? HOST_ACCESS[property.name] : undefined;
            if (allowed !== undefined && !allowed.test(context.filename)) {
              context.report({
                node: property,
                message: `Deno.${property.name} belongs to ${allowed.source} alone`,
              });
            }
            if (object.name === "console" && !CONSOLE_ALLOWED.test(context.filename)) {
              context.report({ node: object, message: "console belongs to cli and observability" });
            }
          },
        };
      },
    },
  },
};
