// Runs beside the TypeScript compiler, in the process that lowers code: one file in, CommonJS out.
// It looks at the code of apps and never runs it.
globalThis.lower = (function () {
  'use strict';
  const { SyntaxKind: Kind, factory } = ts;
  // an ES module whose only module syntax stands at its top level in forms that need no compiler; what bundlers write
  const LARGE = 96 * 1024;
  const TAKEN = ['jsx', 'jsxFactory', 'jsxFragmentFactory', 'jsxImportSource', 'experimentalDecorators',
    'emitDecoratorMetadata', 'useDefineForClassFields'];
  const JSX = { 'react-jsx': ts.JsxEmit.ReactJSX, 'react-jsxdev': ts.JsxEmit.ReactJSX };

  function lower(name, text, tsconfig) {
    let options = optionsOf(tsconfig);
    let file = parse(name, text, false);
    if (/\bawait\b/.test(text) && !ts.isExternalModule(file) && (file.parseDiagnostics.length || namesAwait(file))) {
      // outside of modules TypeScript may take `await` for a name: look again as if this were one
      const before = file.parseDiagnostics.length;
      file = undefined;
      file = parse(name, text, true);
      if (file.parseDiagnostics.length > before || !awaits(file)) file = parse(name, text, false);
      else options = { ...options, moduleDetection: ts.ModuleDetectionKind.Force };
    }
    const problems = file.parseDiagnostics.slice(0, 20).map((found) => problem(file, found));
    const facts = { problems, style: 'script', async: false };
    if (problems.length) return facts;
    const isModule = file.statements.some(isModuleSyntax);
    const seen = look(file);
    facts.style = isModule || seen.wasModule ? 'fetch' : seen.exports ? 'module' : 'script';
    facts.async = awaits(file);
    if (name.endsWith('.js') && !isModule && !seen.jsx && !seen.imports && !seen.meta) return facts;
    if (name.endsWith('.js') && text.length > LARGE && !seen.jsx && !seen.imports && !seen.meta) {
      const edited = exportsOnly(file, text);
      if (edited !== undefined) return { ...facts, code: edited };
    }
    const made = ts.transpileModule(text, {
      fileName: name,
      compilerOptions: options,
      transformers: seen.meta ? { before: [withoutMeta] } : undefined,
    });
    const code = made.outputText.replace(/\/\/# sourceMappingURL=[^\n]*\s*$/, '');
    return { ...facts, code, map: made.sourceMapText };
  }

  function parse(name, text, asModule) {
    const mark = (file) => { file.externalModuleIndicator = file; };
    const how = asModule ? { languageVersion: ts.ScriptTarget.ESNext, setExternalModuleIndicator: mark } : ts.ScriptTarget.ESNext;
    return ts.createSourceFile(name, text, how, false);
  }

  function optionsOf(tsconfig) {
    const options = {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.CommonJS,
      jsx: ts.JsxEmit.React,
      esModuleInterop: true,
      sourceMap: true,
      newLine: ts.NewLineKind.LineFeed,
    };
    const said = tsconfig ? ts.parseConfigFileTextToJson('tsconfig.json', tsconfig).config : undefined;
    const wished = said && typeof said === 'object' ? said.compilerOptions : undefined;
    for (const name of TAKEN) {
      const value = wished && typeof wished === 'object' ? wished[name] : undefined;
      if (name === 'jsx') options.jsx = Object.hasOwn(JSX, value) ? JSX[value] : options.jsx;
      else if (typeof value === 'string' || typeof value === 'boolean') options[name] = value;
    }
    return options;
  }

  function problem(file, found) {
    const at = ts.getLineAndCharacterOfPosition(file, Math.min(found.start, file.text.length));
    const message = ts.flattenDiagnosticMessageText(found.messageText, ' ');
    return { line: at.line + 1, column: at.character + 1, message: message.slice(0, 500) };
  }

  function isModuleSyntax(node) {
    switch (node.kind) {
      case Kind.ImportDeclaration:
      case Kind.ExportDeclaration:
      case Kind.ExportAssignment:
      case Kind.ImportEqualsDeclaration:
        return true;
      default:
        return ts.canHaveModifiers(node) && !!ts.getModifiers(node)?.some((one) => one.kind === Kind.ExportKeyword);
    }
  }

  // What the compiler must know of the whole tree, in one walk.
  function look(file) {
    const seen = { exports: false, wasModule: false, jsx: false, imports: false, meta: false };
    const visit = (node) => {
      switch (node.kind) {
        case Kind.BinaryExpression:
          if (node.operatorToken.kind === Kind.EqualsToken && isExports(node.left)) seen.exports = true;
          if (seen.exports && isBundled(node)) seen.wasModule = true;
          break;
        case Kind.CallExpression:
          if (node.expression.kind === Kind.ImportKeyword) seen.imports = true;
          if (defines(node)) {
            seen.exports = true;
            if (ts.isStringLiteralLike(node.arguments[1]) && node.arguments[1].text === '__esModule') seen.wasModule = true;
          }
          break;
        case Kind.MetaProperty:
          if (node.keywordToken === Kind.ImportKeyword) seen.meta = true;
          break;
        case Kind.JsxElement:
        case Kind.JsxSelfClosingElement:
        case Kind.JsxFragment:
          seen.jsx = true;
          break;
      }
      ts.forEachChild(node, visit);
    };
    visit(file);
    return seen;
  }

  const isName = (node, name) => ts.isIdentifier(node) && node.text === name;

  // `exports`, `module.exports`, or something below one of them
  function isExports(node) {
    while (ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node)) {
      if (isName(node.expression, 'exports')) return true;
      if (isName(node.expression, 'module') && node.name?.text === 'exports') return true;
      node = node.expression;
    }
    return false;
  }

  // `module.exports = __toCommonJS(…)`: what esbuild makes of an ES module
  function isBundled(node) {
    return ts.isCallExpression(node.right) && isName(node.right.expression, '__toCommonJS');
  }

  // `Object.defineProperty(exports, …)`
  function defines(node) {
    const called = node.expression;
    if (!ts.isPropertyAccessExpression(called) || !isName(called.expression, 'Object')) return false;
    if (called.name.text !== 'defineProperty' || node.arguments.length < 2) return false;
    return isName(node.arguments[0], 'exports') || isExports(node.arguments[0]);
  }

  // Whether the file waits at its top level, outside of every function.
  function awaits(file) {
    const visit = (node) => {
      if (ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier)) return true;
      if (ts.isVariableDeclarationList(node) && (node.flags & ts.NodeFlags.AwaitUsing) === ts.NodeFlags.AwaitUsing) return true;
      if (ts.isFunctionLike(node) || ts.isClassStaticBlockDeclaration(node)) return false;
      return ts.forEachChild(node, visit) === true;
    };
    return visit(file);
  }

  function namesAwait(file) {
    const visit = (node) => isName(node, 'await') || (!ts.isFunctionLike(node) && ts.forEachChild(node, visit) === true);
    return visit(file);
  }

  function withoutMeta(context) {
    const own = () => factory.createParenthesizedExpression(factory.createObjectLiteralExpression([
      factory.createPropertyAssignment('url', factory.createAdd(
        factory.createStringLiteral('file:///'), factory.createIdentifier('__filename'))),
      factory.createPropertyAssignment('filename', factory.createIdentifier('__filename')),
      factory.createPropertyAssignment('dirname', factory.createIdentifier('__dirname')),
    ]));
    const visit = (node) => node.kind === Kind.MetaProperty && node.keywordToken === Kind.ImportKeyword
      ? own() : ts.visitEachChild(node, visit, context);
    return (file) => ts.visitNode(file, visit);
  }

  // A large ES module that imports nothing: its exports become getters at the end, the rest stays as it is.
  function exportsOnly(file, text) {
    const named = [];
    let code = '';
    let done = 0;
    for (const node of file.statements) {
      if (!isModuleSyntax(node)) continue;
      const start = ts.skipTrivia(text, node.pos);
      if (ts.isExportAssignment(node) && !node.isExportEquals) {
        code += text.slice(done, start) + 'exports.default = ';
        done = ts.skipTrivia(text, node.expression.pos);
      } else if (ts.isExportDeclaration(node) && !node.moduleSpecifier && node.exportClause && ts.isNamedExports(node.exportClause)) {
        for (const one of node.exportClause.elements) named.push([one.name.text, (one.propertyName ?? one.name).text]);
        code += text.slice(done, start) + text.slice(start, node.end).replace(/[^\r\n]/g, ' ');
        done = node.end;
      } else {
        return undefined;
      }
    }
    const getters = named.map(([name, local]) =>
      `Object.defineProperty(exports, ${JSON.stringify(name)}, { enumerable: true, get: () => ${local} });`);
    const mark = 'Object.defineProperty(exports, "__esModule", { value: true });';
    return `"use strict"; ${code}${text.slice(done)}\n${mark}${getters.join('')}\n`;
  }

  return lower;
})();
