import js from "@eslint/js";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist/", "dist-lib/", "e2e/out/", "src/contract.ts"] },
  js.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // Lit's declared reactive properties and event handlers are plain methods bound by the template.
      "@typescript-eslint/unbound-method": "off",
      "max-lines": ["error", { max: 400, skipComments: true, skipBlankLines: true }],
    },
  },
  {
    files: ["scripts/**", "bench/**", "*.js"],
    languageOptions: {
      globals: Object.fromEntries(
        ["URL", "console", "document", "performance", "process", "queueMicrotask", "setTimeout", "window"].map((name) => [name, "readonly"]),
      ),
    },
    rules: {
      "no-redeclare": ["error", { builtinGlobals: false }],
      "no-unused-vars": ["error", { ignoreRestSiblings: true }],
    },
  },
);
