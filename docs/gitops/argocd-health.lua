-- Health of a CertStream for Argo CD, by the rules of kstatus.
local health = { status = "Progressing", message = "The operator has not seen it yet" }
local status = obj.status
if status == nil or status.conditions == nil or status.observedGeneration ~= obj.metadata.generation then
  return health
end

local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end

local function holds(name)
  return conditions[name] ~= nil and conditions[name].status == "True"
end

if holds("Suspended") then
  return { status = "Suspended", message = conditions["Suspended"].message }
end
if holds("Stalled") then
  return { status = "Degraded", message = conditions["Stalled"].message }
end
if holds("Reconciling") then
  return { status = "Progressing", message = conditions["Reconciling"].message }
end
if holds("Ready") then
  return { status = "Healthy", message = conditions["Ready"].message }
end
if conditions["Ready"] ~= nil then
  health.message = conditions["Ready"].message
end
return health
