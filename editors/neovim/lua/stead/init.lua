-- Stead for Neovim 0.7 and newer: file types, the language server, and the tree-sitter grammar where it is wanted.
--
-- require('stead').setup({ path = 'stead', on_attach = function(client, buffer) … end, treesitter = false })

local M = {}

local defaults = {
  -- The program: a name in $PATH, or an absolute path.
  path = 'stead',
  -- Further arguments of `stead lsp`.
  args = {},
  -- What the server is told: { inlayHints = { types = false }, codeLens = { … }, checkNodes = true }.
  settings = {},
  -- Called when the server is attached to a buffer, besides the keys below.
  on_attach = nil,
  -- What the client can do; that of nvim-cmp or blink.cmp, say.
  capabilities = nil,
  -- Register the grammar with nvim-treesitter, whose `:TSInstall stead` then builds it.
  treesitter = false,
  -- Where the grammar lies; beside this plugin in Stead's repository.
  grammar = nil,
}

M.options = vim.deepcopy(defaults)

-- File types that the server has something to say about.
M.filetypes = { 'stead', 'jinja', 'yaml', 'toml', 'json' }

-- The project's directory: where `stead.toml` is, else that of the file.
function M.root(file)
  local directory = vim.fn.fnamemodify(file, ':p:h')
  local found = vim.fn.findfile('stead.toml', vim.fn.escape(directory, ' ') .. ';')
  if found ~= '' then
    return vim.fn.fnamemodify(found, ':p:h'), true
  end
  return directory, false
end

local function command()
  local words = { M.options.path, 'lsp' }
  vim.list_extend(words, M.options.args)
  return words
end

local function on_attach(client, buffer)
  local function map(keys, action, text)
    vim.keymap.set('n', keys, action, { buffer = buffer, silent = true, desc = text })
  end
  -- Neovim 0.10 and newer have keys of their own for these; what is set here is the same everywhere.
  map('K', vim.lsp.buf.hover, 'Stead: documentation')
  map('gd', vim.lsp.buf.definition, 'Stead: definition')
  map('gr', vim.lsp.buf.references, 'Stead: references')
  vim.bo[buffer].omnifunc = 'v:lua.vim.lsp.omnifunc'
  if M.options.on_attach then
    M.options.on_attach(client, buffer)
  end
end

local function configuration(root)
  return {
    name = 'stead',
    cmd = command(),
    root_dir = root,
    filetypes = M.filetypes,
    capabilities = M.options.capabilities or vim.lsp.protocol.make_client_capabilities(),
    settings = { stead = M.options.settings },
    on_attach = on_attach,
    workspace_folders = { { uri = vim.uri_from_fname(root), name = vim.fn.fnamemodify(root, ':t') } },
  }
end

-- One server a project, for the versions that keep no list by themselves.
local running = {}

-- Attaches the server to a buffer, and starts it where it does not run yet.
function M.attach(buffer)
  local file = vim.api.nvim_buf_get_name(buffer)
  if file == '' or vim.bo[buffer].buftype ~= '' then
    return
  end
  local root, is_project = M.root(file)
  -- Data and templates belong to a project; elsewhere they are not ours.
  if vim.bo[buffer].filetype ~= 'stead' and not is_project then
    return
  end
  if vim.lsp.start then
    return vim.lsp.start(configuration(root), { bufnr = buffer })
  end
  local id = running[root]
  if not id or not vim.lsp.get_client_by_id(id) then
    id = vim.lsp.start_client(configuration(root))
    running[root] = id
  end
  if id then
    vim.lsp.buf_attach_client(buffer, id)
  end
  return id
end

local function client_of(buffer)
  local clients = vim.lsp.get_clients and vim.lsp.get_clients({ bufnr = buffer, name = 'stead' })
    or vim.tbl_filter(function(client)
      return client.name == 'stead'
    end, vim.tbl_values(vim.lsp.buf_get_clients(buffer)))
  return clients[1]
end

-- Shows Markdown in a buffer of its own.
local function show_text(text)
  vim.cmd('new')
  local shown = vim.api.nvim_get_current_buf()
  vim.bo[shown].buftype = 'nofile'
  vim.bo[shown].bufhidden = 'wipe'
  vim.bo[shown].filetype = 'markdown'
  vim.api.nvim_buf_set_lines(shown, 0, -1, false, vim.split(text, '\n', { plain = true }))
  vim.bo[shown].modifiable = false
end

-- Asks the server for a plan, a catalog or a graph; of this machine where no node is named.
local function execute(client, buffer, command, arguments)
  client.request('workspace/executeCommand', { command = command, arguments = arguments }, function(failure, text)
    if failure then
      vim.notify('stead: ' .. failure.message, vim.log.levels.ERROR)
    elseif type(text) == 'string' then
      show_text(text)
    end
  end, buffer)
end

-- Opens a `plan`, a `catalog` or a `graph` of a node.
function M.show(what, node)
  local buffer = vim.api.nvim_get_current_buf()
  local client = client_of(buffer)
  if not client then
    vim.notify('stead: the language server does not run here', vim.log.levels.WARN)
    return
  end
  local name = node and node ~= '' and node or vim.NIL
  execute(client, buffer, 'stead.' .. what, { vim.uri_from_bufnr(buffer), name })
end

-- What the code lenses of the server ask the client to do.
local function register_lenses()
  for _, what in ipairs({ 'plan', 'catalog', 'graph' }) do
    vim.lsp.commands['stead.' .. what] = function(command, context)
      execute(vim.lsp.get_client_by_id(context.client_id), context.bufnr, command.command, command.arguments)
    end
  end
  vim.lsp.commands['stead.showReferences'] = function(command, context)
    local client = vim.lsp.get_client_by_id(context.client_id)
    local items = vim.lsp.util.locations_to_items(command.arguments[3], client.offset_encoding)
    vim.fn.setqflist({}, ' ', { title = command.title, items = items })
    vim.cmd('copen')
  end
end

-- Stops the server and starts it anew for every buffer that it was attached to.
function M.restart()
  local buffers = {}
  for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
    local client = vim.api.nvim_buf_is_loaded(buffer) and client_of(buffer)
    if client then
      buffers[#buffers + 1] = buffer
      client.stop()
    end
  end
  running = {}
  vim.defer_fn(function()
    for _, buffer in ipairs(buffers) do
      M.attach(buffer)
    end
  end, 500)
end

local function register_grammar()
  local found, parsers = pcall(require, 'nvim-treesitter.parsers')
  if not found then
    return
  end
  local here = debug.getinfo(1, 'S').source:sub(2)
  local grammar = M.options.grammar or vim.fn.fnamemodify(here, ':p:h:h:h:h') .. '/tree-sitter-stead'
  local info = { url = grammar, path = grammar, files = { 'src/parser.c', 'src/scanner.c' } }
  -- `get_parser_configs` is that of the plugin's first generation.
  if parsers.get_parser_configs then
    parsers.get_parser_configs().stead = { install_info = info, filetype = 'stead' }
  else
    parsers.stead = { install_info = info }
  end
end

function M.setup(options)
  M.options = vim.tbl_deep_extend('force', vim.deepcopy(defaults), options or {})
  register_lenses()
  if M.options.treesitter then
    register_grammar()
  end
  if vim.lsp.config and vim.lsp.enable then
    -- Neovim 0.11: the configuration is known by name, `:checkhealth vim.lsp` shows it, and users can add to it.
    vim.lsp.config('stead', {
      cmd = command(),
      filetypes = M.filetypes,
      capabilities = M.options.capabilities,
      settings = { stead = M.options.settings },
      root_dir = function(buffer, on_dir)
        local root, is_project = M.root(vim.api.nvim_buf_get_name(buffer))
        if is_project or vim.bo[buffer].filetype == 'stead' then
          on_dir(root)
        end
      end,
      on_attach = on_attach,
    })
    vim.lsp.enable('stead')
  else
    local group = vim.api.nvim_create_augroup('stead', { clear = true })
    vim.api.nvim_create_autocmd('FileType', {
      group = group,
      pattern = M.filetypes,
      callback = function(event)
        M.attach(event.buf)
      end,
    })
  end
  local function command_for(name, what, text)
    vim.api.nvim_create_user_command(name, function(given)
      M.show(what, given.args)
    end, { nargs = '?', desc = text })
  end
  command_for('SteadPlan', 'plan', 'Plan a node')
  command_for('SteadCatalog', 'catalog', 'Show the catalog of a node')
  command_for('SteadGraph', 'graph', 'Show the graph of a node')
  vim.api.nvim_create_user_command('SteadRestart', M.restart, { desc = 'Restart the language server of Stead' })
end

return M
